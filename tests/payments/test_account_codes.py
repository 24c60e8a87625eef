"""What others call our accounts: taken whole or not at all."""

import io

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from foundation.errors import Invalid
from payments import account_codes
from payments.account_codes import AccountCodeInvalid, AccountCodesUnreadable
from payments.models import AccountCode


def _kept(db: Session) -> dict[str, str]:
    return {row.account: row.code for row in db.scalars(select(AccountCode))}


def test_new_codes_take_the_place_of_all_there_were(db: Session) -> None:
    account_codes.replace(db, {"bank": "1010", "funds": "2010"}, set_by="ada")

    account_codes.replace(db, {"funds": "2011", "payable:pye_1": "Löhne 2020"}, set_by="bo")

    assert _kept(db) == {"funds": "2011", "payable:pye_1": "Löhne 2020"}
    assert {row.set_by for row in db.scalars(select(AccountCode))} == {"bo"}


@pytest.mark.parametrize(
    ("account", "code", "pointer"),
    [
        ("cash", "1", "account"),
        ("bank:", "1", "account"),
        ("bank:a b", "1", "account"),
        ("BANK", "1", "account"),
        ("", "1", "account"),
        ("bank", "", "code"),
        ("bank", "=1+1", "code"),
        ("bank", "\u00a0@x", "code"),
        ("bank", "1\n2", "code"),
        ("bank", "1\u202e2", "code"),
        ("bank", "1" * 61, "code"),
    ],
)
def test_what_is_no_account_or_no_code_changes_nothing(db: Session, account: str, code: str, pointer: str) -> None:
    account_codes.replace(db, {"bank": "1010"}, set_by="ada")

    with pytest.raises(AccountCodeInvalid) as refused:
        account_codes.replace(db, {"funds": "2010", account: code}, set_by="ada")

    assert refused.value.errors[0]["pointer"] == f"/items/1/{pointer}"
    assert _kept(db) == {"bank": "1010"}


def test_an_account_that_is_there_twice_is_refused() -> None:
    item = {"account": "bank", "code": "1"}

    with pytest.raises(Invalid, match="twice"):
        account_codes.distinct([item, item])


def test_a_file_of_codes_is_read() -> None:
    content = b'account,code\r\nbank,1010\r\n"payable:pye_1","Pay, 2020"\r\n'

    assert account_codes.read(io.BytesIO(content)) == {"bank": "1010", "payable:pye_1": "Pay, 2020"}


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"code,account\n",
        b"account,code\nbank\n",
        b"account,code\nbank,1\nbank,2\n",
        b"account,code\nbank,\xff\n",
        b'account,code\n"bank',
        b"account,code\n" + b"".join(b"payable:%d,1\n" % n for n in range(2001)),
    ],
)
def test_a_file_that_is_none_says_so(content: bytes) -> None:
    with pytest.raises(AccountCodesUnreadable):
        account_codes.read(io.BytesIO(content))
