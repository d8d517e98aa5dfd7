"""Statements that every message runs through: compiled once a dialect, then said to the driver as they are.

SQLAlchemy's own way costs several times what SQLite needs to carry a statement out, all of it spent on the writer thread, which is
the narrow place; `python -m benchmarks.storage_group_commit` prints both. For anything that runs less often, execute the statement
as usual.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from operator import itemgetter
from typing import Any

from sqlalchemy import Connection, Delete, Dialect, Insert, Select, Update
from sqlalchemy.exc import DBAPIError

Row = tuple[Any, ...]


@dataclass(frozen=True, slots=True)
class _Compiled:
    sql: str
    pick: Callable[[Mapping[str, Any]], Any]  # the parameters as the driver takes them: in order, or by name
    constants: Mapping[str, Any]  # of the statement itself
    encoders: tuple[tuple[str, Callable[[Any], Any]], ...]  # parameters that the driver does not take as they are
    broken: type[Exception]


class Prepared:
    """One statement. An INSERT must be given every column, since no default of ours is filled in."""

    def __init__(self, statement: Select[Any] | Insert | Update | Delete) -> None:
        self._statement = statement
        self._compiled: dict[str, _Compiled] = {}

    def run(self, connection: Connection, **parameters: Any) -> None:
        """Carries it out. Raises DBAPIError, as SQLAlchemy does."""
        self._execute(connection, parameters)

    def first(self, connection: Connection, **parameters: Any) -> Row | None:
        """Carries it out and returns the first row, as the driver gives it. Raises DBAPIError."""
        row: Row | None = self._execute(connection, parameters).fetchone()
        return row

    def _execute(self, connection: Connection, parameters: dict[str, Any]) -> Any:
        dialect = connection.dialect
        compiled = self._compiled.get(dialect.name)
        if compiled is None:
            compiled = self._compiled[dialect.name] = self._compile(dialect, parameters)
        if compiled.constants:
            parameters = {**compiled.constants, **parameters}
        for name, encode in compiled.encoders:
            parameters[name] = encode(parameters[name])
        values = compiled.pick(parameters)
        # For drivers that are not asynchronous the same as `driver_connection`, which takes a quarter of SQLite's own time to find.
        driver: Any = connection.connection.dbapi_connection
        try:
            return driver.execute(compiled.sql, values)
        except compiled.broken as error:
            raise DBAPIError.instance(
                compiled.sql, values, error, compiled.broken, hide_parameters=True, dialect=dialect
            ) from error

    def _compile(self, dialect: Dialect, parameters: Mapping[str, Any]) -> _Compiled:
        found: Any = self._statement.compile(dialect=dialect, column_keys=list(parameters))
        missing = [column.name for column in getattr(found, "insert_prefetch", ())]
        if missing:
            raise TypeError(f"{found.statement.table.name}: {', '.join(missing)} must be given")
        returned = getattr(self._statement, "exported_columns", ())
        for column in returned:
            if column.type.dialect_impl(dialect).result_processor(dialect, None) is not None:
                raise TypeError(f"{column.name} does not come from the driver as it is")
        encoders = {
            name: bind.type.dialect_impl(dialect).bind_processor(dialect)
            for bind, name in found.bind_names.items()
            if name in parameters
        }
        constants = {name: value for name, value in found.params.items() if name not in parameters}
        return _Compiled(
            sql=str(found),
            pick=_in_order(found.positiontup) if found.positional else _by_name,
            constants=constants,
            encoders=tuple((name, encode) for name, encode in encoders.items() if encode is not None),
            broken=dialect.loaded_dbapi.Error,
        )


def _in_order(names: Sequence[str]) -> Callable[[Mapping[str, Any]], tuple[Any, ...]]:
    if len(names) > 1:  # of one name it would give the value itself
        return itemgetter(*names)
    return lambda parameters: tuple(parameters[name] for name in names)


def _by_name(parameters: Mapping[str, Any]) -> Mapping[str, Any]:
    return parameters
