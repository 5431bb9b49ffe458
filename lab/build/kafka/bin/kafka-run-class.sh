#!/bin/sh
# Every command of Kafka is a link to this file, which starts the main class that
# belongs to the link's name; by its own name it takes the class as first argument.
# KAFKA_HEAP_OPTS, KAFKA_JVM_PERFORMANCE_OPTS, KAFKA_LOG4J_OPTS and KAFKA_OPTS mean
# what they mean in Apache Kafka's own kafka-run-class.sh, whose defaults these are.
set -eu
home=$(dirname "$(dirname "$(readlink -f "$0")")")
command=$(basename "$0" .sh)

heap=-Xmx256M
level=WARN
# The JVM of a broker or a benchmark runs long; that of a command should start fast.
long='-server -XX:+UseG1GC -XX:MaxGCPauseMillis=20 -XX:InitiatingHeapOccupancyPercent=35 -XX:+ExplicitGCInvokesConcurrent -XX:MaxInlineLevel=15 -Djava.awt.headless=true'
jvm='-XX:+UseSerialGC -XX:TieredStopAtLevel=1 -Djava.awt.headless=true'

case $command in
  kafka-server-start) main=kafka.Kafka heap='-Xmx1G -Xms1G' level=INFO jvm=$long ;;
  kafka-producer-perf-test) main=org.apache.kafka.tools.ProducerPerformance heap=-Xmx512M jvm=$long ;;
  kafka-consumer-perf-test) main=org.apache.kafka.tools.ConsumerPerformance heap=-Xmx512M jvm=$long ;;
  kafka-storage) main=kafka.tools.StorageTool ;;
  kafka-topics) main=org.apache.kafka.tools.TopicCommand ;;
  kafka-configs) main=kafka.admin.ConfigCommand ;;
  kafka-broker-api-versions) main=org.apache.kafka.tools.BrokerApiVersionsCommand ;;
  kafka-console-producer) main=org.apache.kafka.tools.ConsoleProducer heap=-Xmx512M ;;
  kafka-console-consumer) main=org.apache.kafka.tools.consumer.ConsoleConsumer heap=-Xmx512M ;;
  kafka-consumer-groups) main=org.apache.kafka.tools.consumer.group.ConsumerGroupCommand ;;
  kafka-metadata-quorum) main=org.apache.kafka.tools.MetadataQuorumCommand ;;
  kafka-reassign-partitions) main=org.apache.kafka.tools.reassign.ReassignPartitionsCommand ;;
  kafka-leader-election) main=org.apache.kafka.tools.LeaderElectionCommand ;;
  kafka-log-dirs) main=org.apache.kafka.tools.LogDirsCommand ;;
  kafka-get-offsets) main=org.apache.kafka.tools.GetOffsetShell ;;
  kafka-dump-log) main=org.apache.kafka.tools.DumpLogSegments ;;
  kafka-run-class) main=${1:?usage: $0 CLASS [ARGUMENT...]}; shift ;;
  *) echo "$0: no main class is known for this name" >&2; exit 2 ;;
esac

# The options are lists of words: they must split.
# shellcheck disable=SC2086
exec java ${KAFKA_HEAP_OPTS:-$heap} ${KAFKA_JVM_PERFORMANCE_OPTS:-$jvm} \
  ${KAFKA_LOG4J_OPTS:--Dlog4j2.configurationFile="$home/config/log4j2.properties" -Dkafka.log.level=$level} \
  ${KAFKA_OPTS:-} -cp "$home/libs/*" "$main" "$@"
