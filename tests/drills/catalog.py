"""A database's schema as PostgreSQL's catalog has it, in lines that can be compared."""

from sqlalchemy import Connection, text

_RELATIONS = "SELECT oid FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relname <> 'alembic_version'"
_PARTS = {
    "column": f"""
        SELECT concat_ws(' ', attrelid::regclass, attname, format_type(atttypid, atttypmod),
                         CASE WHEN attnotnull THEN 'not null' END, pg_get_expr(adbin, adrelid),
                         (SELECT collname FROM pg_collation c WHERE c.oid = attcollation), attidentity, attgenerated)
          FROM pg_attribute LEFT JOIN pg_attrdef ON adrelid = attrelid AND adnum = attnum
          JOIN pg_class r ON r.oid = attrelid AND r.relkind IN ('r', 'p')
         WHERE attrelid IN ({_RELATIONS}) AND attnum > 0 AND NOT attisdropped""",
    "constraint": f"""
        SELECT concat_ws(' ', conrelid::regclass, conname, pg_get_constraintdef(oid), convalidated)
          FROM pg_constraint WHERE conrelid IN ({_RELATIONS})""",
    "index": f"SELECT pg_get_indexdef(indexrelid) FROM pg_index WHERE indrelid IN ({_RELATIONS}) AND indisvalid",
    "sequence": """
        SELECT concat_ws(' ', sequencename, data_type, start_value, increment_by, cycle)
          FROM pg_sequences WHERE schemaname = 'public'""",
    "trigger": f"""
        SELECT concat_ws(' ', pg_get_triggerdef(oid), tgenabled)
          FROM pg_trigger WHERE tgrelid IN ({_RELATIONS}) AND NOT tgisinternal""",
    "function": """
        SELECT pg_get_functiondef(oid) FROM pg_proc WHERE pronamespace = 'public'::regnamespace AND prokind = 'f'""",
    "view": f"""
        SELECT concat_ws(' ', relname, pg_get_viewdef(oid)) FROM pg_class WHERE oid IN ({_RELATIONS}) AND relkind = 'v'
        """,
    "owner": f"SELECT concat_ws(' ', relname, relowner::regrole) FROM pg_class WHERE oid IN ({_RELATIONS})",
    "grant": f"""
        SELECT concat_ws(' ', relname, a.grantee::regrole, a.privilege_type, a.is_grantable)
          FROM pg_class, aclexplode(relacl) a WHERE oid IN ({_RELATIONS})
        UNION ALL
        SELECT concat_ws(' ', attrelid::regclass, attname, a.grantee::regrole, a.privilege_type)
          FROM pg_attribute, aclexplode(attacl) a WHERE attrelid IN ({_RELATIONS})""",
}
# What models say; the rest only migrations do.
OF_MODELS = ("column", "constraint", "index", "sequence")


def read(connection: Connection, parts: tuple[str, ...] = tuple(_PARTS)) -> set[str]:
    """Every part of the schema as a line."""
    return {f"{part}: {line}" for part in parts for line in connection.scalars(text(_PARTS[part]))}
