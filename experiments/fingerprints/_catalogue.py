"""PostgreSQL's own catalogues, asked how things are defined; with no search path, so that every name is qualified."""

from collections import defaultdict

import psycopg

_OURS = r"n.nspname not like 'pg\_%' and n.nspname <> 'information_schema'"

DATABASES = """
select datname, format('%s, collate %s, ctype %s, owner %s',
                       pg_encoding_to_char(encoding), datcollate, datctype, pg_get_userbyid(datdba))
from pg_database where not datistemplate and datallowconn order by 1
"""
# Whether a role has a password is the superusers' to know.
ROLES = """
select r.rolname, concat_ws(', ', case when r.rolsuper then 'superuser' end, case when r.rolcanlogin then 'login' end,
    case when r.rolcreatedb then 'createdb' end, case when r.rolcreaterole then 'createrole' end,
    case when r.rolreplication then 'replication' end, case when r.rolbypassrls then 'bypassrls' end,
    (select 'in ' || string_agg(pg_get_userbyid(m.roleid), ', ' order by pg_get_userbyid(m.roleid))
     from pg_auth_members m where m.member = r.oid))
from pg_roles r where r.rolname not like 'pg\\_%' order by 1
"""
RELATIONS = f"""
select c.oid, n.nspname, c.relname, case c.relkind when 'r' then 'table' when 'p' then 'partitioned table'
                                                   when 'm' then 'materialized view' else 'foreign table' end
from pg_class c join pg_namespace n on n.oid = c.relnamespace
where c.relkind in ('r', 'p', 'm', 'f') and c.relpersistence <> 't' and {_OURS} order by 2, 3
"""  # noqa: S608 - put together from constants
SEQUENCES = """
select schemaname || '.' || sequencename, last_value, increment_by, cache_size,
       format('%s from %s to %s, start %s%s', data_type, min_value, max_value, start_value,
              case when cycle then ', cycle' else '' end)
from pg_sequences where schemaname not like 'pg\\_%' order by 1
"""
# By its place among the columns that are there: attnum also counts those that were dropped before a dump.
_COLUMNS = """
select a.attrelid, 'column ' || a.attname,
       concat_ws(' ', row_number() over (partition by a.attrelid order by a.attnum) || ':',
                 format_type(a.atttypid, a.atttypmod), case when a.attnotnull then 'not null' end,
                 case a.attidentity when 'a' then 'identity always' when 'd' then 'identity by default' end,
                 case when a.attgenerated <> '' then 'generated' end, 'default ' || pg_get_expr(d.adbin, d.adrelid))
from pg_attribute a left join pg_attrdef d on d.adrelid = a.attrelid and d.adnum = a.attnum
where a.attnum > 0 and not a.attisdropped
"""
_CONSTRAINTS = "select conrelid, 'constraint ' || conname, pg_get_constraintdef(oid) from pg_constraint"
_INDEXES = """
select i.indrelid, 'index ' || c.relname,
       pg_get_indexdef(i.indexrelid) || case when i.indisvalid then '' else ' INVALID' end
from pg_index i join pg_class c on c.oid = i.indexrelid
"""
_TRIGGERS = """
select tgrelid, 'trigger ' || tgname,
       pg_get_triggerdef(oid) || case tgenabled when 'O' then '' else ' ' || tgenabled::text end
from pg_trigger where not tgisinternal
"""
_POLICIES = """
select polrelid, 'policy ' || polname,
       concat_ws(' ', polcmd, pg_get_expr(polqual, polrelid), 'check ' || pg_get_expr(polwithcheck, polrelid))
from pg_policy
"""
_ACCESS = """
select oid, 'access', concat_ws(', ', 'owner ' || pg_get_userbyid(relowner),
       case when relrowsecurity then 'row security' end, case when relpersistence = 'u' then 'unlogged' end,
       (select string_agg(one::text, ', ' order by one::text) from unnest(relacl) one))
from pg_class
"""
_OF_TABLES = (_COLUMNS, _CONSTRAINTS, _INDEXES, _TRIGGERS, _POLICIES, _ACCESS)
_OF_DATABASES = (
    f"select 'schema ' || n.nspname, 'owner ' || pg_get_userbyid(n.nspowner) from pg_namespace n where {_OURS}",  # noqa: S608
    "select 'extension ' || extname, extversion from pg_extension",
    f"""select 'view ' || n.nspname || '.' || c.relname, pg_get_viewdef(c.oid)
        from pg_class c join pg_namespace n on n.oid = c.relnamespace where c.relkind in ('v', 'm') and {_OURS}""",  # noqa: S608
    f"""select 'function ' || p.oid::regprocedure, pg_get_functiondef(p.oid)
        from pg_proc p join pg_namespace n on n.oid = p.pronamespace where p.prokind in ('f', 'p') and {_OURS}""",  # noqa: S608
    f"""select 'type ' || n.nspname || '.' || t.typname, string_agg(e.enumlabel, ', ' order by e.enumsortorder)
        from pg_enum e join pg_type t on t.oid = e.enumtypid join pg_namespace n on n.oid = t.typnamespace
        where {_OURS} group by 1""",  # noqa: S608
)


def of_tables(session: psycopg.Connection) -> dict[int, dict[str, str]]:
    """How each table is defined, by its oid: what it is (`column id`) to how it is."""
    found: dict[int, dict[str, str]] = defaultdict(dict)
    for query in _OF_TABLES:
        # 16384 is the first oid that is not PostgreSQL's own (FirstNormalObjectId).
        users = f"select * from ({query}) as found (oid, name, text) where oid >= 16384"  # noqa: S608
        for oid, name, text in session.execute(users):
            found[oid][name] = text
    return found


def of_database(session: psycopg.Connection) -> dict[str, str]:
    """How the rest of the database is defined."""
    return {name: text for query in _OF_DATABASES for name, text in session.execute(query)}
