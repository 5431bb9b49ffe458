"""States, status codes and decisions, with no input or output: what can be reasoned about alone."""

from collections.abc import Iterable, Mapping
from enum import IntEnum
from typing import NamedTuple


class WorkflowState(IntEnum):
    """WorkflowExecutionStatus, those that occur here."""

    SUBMITTED_SUCCESS = 0
    RUNNING_EXECUTION = 1
    FAILURE = 6
    SUCCESS = 7


class TaskState(IntEnum):
    """TaskExecutionStatus, those that occur here."""

    SUBMITTED_SUCCESS = 0
    RUNNING_EXECUTION = 1
    FAILURE = 6
    SUCCESS = 7
    NEED_FAULT_TOLERANCE = 8


ACTIVE = (TaskState.SUBMITTED_SUCCESS, TaskState.RUNNING_EXECUTION)


class ReleaseState(IntEnum):
    """Whether a workflow may be started."""

    OFFLINE = 0
    ONLINE = 1


class Flag(IntEnum):
    """DolphinScheduler's yes and no."""

    NO = 0
    YES = 1


class Status(NamedTuple):
    """One of `org.apache.dolphinscheduler.api.enums.Status`."""

    code: int
    msg: str


SUCCESS = Status(0, "success")
INTERNAL_SERVER_ERROR = Status(10000, "Internal Server Error: {0}")
REQUEST_PARAMS_NOT_VALID = Status(10001, "request parameter {0} is not valid")
USER_NAME_PASSWD_ERROR = Status(10013, "user name or password error")
PROJECT_NOT_FOUND = Status(10018, "project {0} not found ")
PROJECT_ALREADY_EXISTS = Status(10019, "project {0} already exists")
LOGIN_SUCCESS = Status(10042, "login success")
USER_LOGIN_FAILURE = Status(10043, "user login failure")
CREATE_PROJECT_ERROR = Status(10048, "create project error")
QUERY_PROJECTS_ERROR = Status(10049, "login user query project list paging error")
QUERY_TASK_LIST_PAGING_ERROR = Status(10082, "query task list paging error")
GET_USER_INFO_ERROR = Status(10098, "get user info error")
CREATE_WORKFLOW_DEFINITION_ERROR = Status(10105, "create workflow definition error")
RELEASE_WORKFLOW_DEFINITION_ERROR = Status(10108, "release workflow definition error")
QUERY_WORKFLOW_INSTANCES_ERROR = Status(10113, "query workflow instance list paging error")
QUERY_TASKS_OF_INSTANCE_ERROR = Status(10114, "query task list by workflow instance id error")
QUERY_WORKFLOW_INSTANCE_ERROR = Status(10116, "query workflow instance by id error")
QUERY_WORKFLOW_DEFINITIONS_ERROR = Status(10122, "query workflow definition list paging error")
WORKFLOW_DEFINITION_NAME_EXIST = Status(10168, "workflow definition name {0} already exists")
WORKFLOW_INSTANCE_NOT_EXIST = Status(50001, "workflow instance {0} does not exist")
WORKFLOW_DEFINITION_NOT_EXIST = Status(50003, "workflow definition {0} does not exist")
WORKFLOW_DEFINITION_NOT_RELEASE = Status(50004, "workflow definition {0} workflow version {1} not online")
START_WORKFLOW_INSTANCE_ERROR = Status(50014, "start workflow instance error")
DATA_IS_NOT_VALID = Status(50017, "data {0} not valid")


class ServiceError(Exception):
    """A call that is refused with a status; the API's ServiceException."""

    def __init__(self, status: Status, *arguments: object) -> None:
        self.code = status.code
        super().__init__(status.msg.format(*arguments))


class Relation(NamedTuple):
    """One edge of a workflow's graph; `before` is 0 for a task that starts it."""

    before: int
    after: int


class Step(NamedTuple):
    """What a workflow instance does next: start these tasks, or end in this state; neither: wait."""

    start: tuple[int, ...] = ()
    end: WorkflowState | None = None


def next_step(relations: Iterable[Relation], states: Mapping[int, TaskState]) -> Step:
    """Decide how an instance goes on from the states of its tasks (FailureStrategy CONTINUE).

    Unlike the real master, this one looks at an instance only when none of its tasks is active.
    """
    if any(state in ACTIVE for state in states.values()):
        return Step()
    before: dict[int, set[int]] = {}
    for relation in relations:
        before.setdefault(relation.after, set()).update({relation.before} - {0})
    ready = tuple(
        sorted(
            task
            for task, needed in before.items()
            if task not in states and all(states.get(each) == TaskState.SUCCESS for each in needed)
        )
    )
    if ready:
        return Step(start=ready)
    whole = before and all(states.get(task) == TaskState.SUCCESS for task in before)
    return Step(end=WorkflowState.SUCCESS if whole else WorkflowState.FAILURE)
