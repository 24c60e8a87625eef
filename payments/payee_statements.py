"""A payee's month as pages: what was owed to them, all that has moved it, and what is owed to them after."""

from sqlalchemy import text
from sqlalchemy.orm import Session

from foundation import pagination
from payments.export_kinds import people
from payments.files.tables import Amount, Cell
from payments.files.writing import decimal_text


def page(db: Session, payee_id: str, month: str, request: pagination.PageRequest) -> pagination.Page:
    """Lines in their order, by currency: the opening balance, each entry, the closing balance."""
    drawing = people.statement(payee_id, month)
    statement = f"SELECT number, cells FROM ({drawing.sql}) AS s WHERE number > :after ORDER BY number LIMIT :most"
    values = {**drawing.values, "after": int(request.after or 0), "most": request.limit + 1}
    rows = db.execute(text(statement), values).all()
    shown = rows[: request.limit]
    names = list(people.STATEMENT.columns)
    items = [dict(zip(names, map(_plain, people.STATEMENT.row(row.cells)), strict=True)) for row in shown]
    return pagination.Page(items, str(shown[-1].number) if len(rows) > request.limit else None)


def _plain(cell: Cell) -> str | int:
    return decimal_text(cell.units, cell.exponent) if isinstance(cell, Amount) else cell
