"""Statuses of orders, in the versions whose schemas an installed package has."""

import io
from collections.abc import Callable

import pytest

from payments.files import pain002
from payments.files.pain002 import Level, Meaning, Status
from payments.files.reading import Unreadable
from tests.payments.files import judges

VERSIONS = ("pain.002.001.03", "pain.002.001.12", "pain.002.001.14", "pain.002.001.15")
EACH = pytest.mark.parametrize("version", VERSIONS)


def _reason(code: str, *words: str) -> str:
    return f"<StsRsnInf><Rsn><Cd>{code}</Cd></Rsn>{''.join(f'<AddtlInf>{w}</AddtlInf>' for w in words)}</StsRsnInf>"


def _order(end_to_end_id: str, status: str = "", reason: str = "") -> str:
    code = f"<TxSts>{status}</TxSts>" if status else ""
    return f"<TxInfAndSts><OrgnlEndToEndId>{end_to_end_id}</OrgnlEndToEndId>{code}{reason}</TxInfAndSts>"


def _block(*orders: str, status: str = "", reason: str = "", name: str = "run1") -> str:
    code = f"<PmtInfSts>{status}</PmtInfSts>" if status else ""
    head = f"<OrgnlPmtInfId>{name}</OrgnlPmtInfId>{code}{reason}"
    return f"<OrgnlPmtInfAndSts>{head}{''.join(orders)}</OrgnlPmtInfAndSts>"


def _report(*blocks: str, status: str = "", reason: str = "", version: str = VERSIONS[0]) -> bytes:
    code = f"<GrpSts>{status}</GrpSts>" if status else ""
    return f"""<?xml version="1.0" encoding="UTF-8"?>
<Document xmlns="urn:iso:std:iso:20022:tech:xsd:{version}"><CstmrPmtStsRpt>
<GrpHdr><MsgId>bank1</MsgId><CreDtTm>2026-02-02T09:00:00</CreDtTm></GrpHdr>
<OrgnlGrpInfAndSts><OrgnlMsgId>run1</OrgnlMsgId><OrgnlMsgNmId>pain.001</OrgnlMsgNmId>{code}{reason}</OrgnlGrpInfAndSts>
{"".join(blocks)}</CstmrPmtStsRpt></Document>""".encode()


def _read(content: bytes) -> list[Status]:
    return list(pain002.read(io.BytesIO(content)))


def _codes(content: bytes) -> list[tuple[str, str | None, str | None, Meaning]]:
    return [(status.level, status.end_to_end_id, status.code, status.meaning) for status in _read(content)]


@EACH
def test_every_level_says_what_it_is_about_and_judges_accept_the_document(version: str) -> None:
    reason = _reason("AC04", "Closed", "in May")
    content = _report(
        _block(_order("pyt1", "RJCT", reason), _order("pyt2", "ACSP"), status="PART"), status="PART", version=version
    )

    group, block, first, second = _read(content)

    assert (group.level, group.message_id, group.payment_id, group.end_to_end_id) == ("group", "run1", None, None)
    assert (block.level, block.message_id, block.payment_id, block.end_to_end_id) == ("payment", "run1", "run1", None)
    assert (first.level, first.end_to_end_id, first.meaning) == (Level.ORDER, "pyt1", Meaning.FAILED)
    assert (first.code, first.reason, first.text, first.inherited) == ("RJCT", "AC04", "Closed in May", False)
    assert (second.end_to_end_id, second.code, second.reason, second.text) == ("pyt2", "ACSP", None, None)
    verdicts = judges.verdicts(content, version)
    assert len(verdicts) == 2
    assert all(verdicts.values()), verdicts


@EACH
@pytest.mark.parametrize(
    ("good", "bad"),
    [("<OrgnlMsgNmId>pain.001</OrgnlMsgNmId>", ""), ("<TxSts>ACSP<", "<TxSts>ACSPX<"), ("pain.002", "pain.003")],
)
def test_every_judge_rejects_a_planted_error(version: str, good: str, bad: str) -> None:
    content = _report(_block(_order("pyt1", "ACSP")), version=version)
    assert good.encode() in content

    verdicts = judges.verdicts(content.replace(good.encode(), bad.encode()), version)

    assert len(verdicts) == 2
    assert not any(verdicts.values()), verdicts


@pytest.mark.parametrize("code", ["RCVD", "ACTC", "ACCP", "ACSP", "ACWC", "PDNG", "ACSC"])
def test_no_acceptance_says_anything_about_money(code: str) -> None:
    assert _codes(_report(_block(_order("pyt1", code)))) == [("order", "pyt1", code, Meaning.NO_NEWS)]


@pytest.mark.parametrize("code", ["RJCT", "CANC"])
def test_a_refusal_failed(code: str) -> None:
    assert _codes(_report(_block(_order("pyt1", code)))) == [("order", "pyt1", code, Meaning.FAILED)]


@pytest.mark.parametrize("code", ["ACCC", "BLCK", "rjct", "XXXX", "RJCT RJCT"])
def test_a_code_that_is_not_known_is_kept_and_not_guessed(code: str) -> None:
    assert _codes(_report(_block(_order("pyt1", code)))) == [("order", "pyt1", code, Meaning.UNKNOWN)]


def test_a_group_that_is_refused_without_a_word_of_its_orders_is_one_status() -> None:
    (status,) = _read(_report(status="RJCT", reason=_reason("AM04", "No funds")))

    assert (status.level, status.end_to_end_id, status.meaning) == ("group", None, Meaning.FAILED)
    assert (status.reason, status.text) == ("AM04", "No funds")


def test_an_order_without_a_status_inherits_that_of_its_block_before_that_of_the_group() -> None:
    blocks = [
        _block(_order("pyt1"), status="RJCT", reason=_reason("AC01", "Wrong")),
        _block(_order("pyt2"), _order("pyt3", "RJCT"), name="run2"),
    ]

    statuses = _read(_report(*blocks, status="ACCP"))

    orders = [status for status in statuses if status.level == Level.ORDER]
    assert [(s.end_to_end_id, s.code, s.reason, s.text, s.inherited) for s in orders] == [
        ("pyt1", "RJCT", "AC01", "Wrong", True),
        ("pyt2", "ACCP", None, None, True),
        ("pyt3", "RJCT", None, None, False),
    ]
    assert [s.level for s in statuses] == ["group", "payment", "order", "order", "order"]


def test_an_order_with_a_status_of_its_own_does_not_inherit_a_reason() -> None:
    report = _report(_block(_order("pyt1", "ACSP"), status="RJCT", reason=_reason("AC01")))

    assert [(status.code, status.reason) for status in _read(report)] == [("RJCT", "AC01"), ("ACSP", None)]


def test_an_order_keeps_its_own_reason_when_it_inherits_the_status() -> None:
    report = _report(_block(_order("pyt1", reason=_reason("BE04"))), status="RJCT", reason=_reason("NARR", "See below"))

    assert [(s.code, s.reason, s.text) for s in _read(report)][1] == ("RJCT", "BE04", "See below")


def test_partly_accepted_means_look_below_and_below_there_is_nothing_left_to_look_at() -> None:
    assert _codes(_report(_block(_order("pyt1"), status="PART"), status="PART")) == [
        ("group", None, "PART", Meaning.LOOK_BELOW),
        ("payment", None, "PART", Meaning.LOOK_BELOW),
        ("order", "pyt1", "PART", Meaning.UNKNOWN),
    ]


def test_an_order_of_which_no_level_says_anything_is_unknown() -> None:
    assert _codes(_report(_block(_order("pyt1")))) == [("order", "pyt1", None, Meaning.UNKNOWN)]


def test_a_reason_of_the_banks_own_is_a_reason() -> None:
    reason = "<StsRsnInf><Rsn><Prtry>X9</Prtry></Rsn></StsRsnInf>"

    (status,) = _read(_report(_block(_order("pyt1", "RJCT", reason))))

    assert status.reason == "X9"


def test_of_several_reasons_the_first_counts_and_all_words_are_kept() -> None:
    reasons = _reason("AC01", "One") + _reason("BE04", "Two")

    (status,) = _read(_report(_block(_order("pyt1", "RJCT", reasons))))

    assert (status.reason, status.text) == ("AC01", "One Two")


def test_a_block_has_its_status_though_it_names_no_order() -> None:
    assert _codes(_report(_block(status="RJCT"), _block(status="ACCP", name="run2"))) == [
        ("payment", None, "RJCT", Meaning.FAILED),
        ("payment", None, "ACCP", Meaning.NO_NEWS),
    ]


@pytest.mark.parametrize("gap", [0, 100_000])
@pytest.mark.parametrize(
    ("spoil", "reason"),
    [
        (lambda text: text.replace("<OrgnlMsgId>run1</OrgnlMsgId>", ""), "OrgnlMsgId is missing."),
        (lambda text: text.replace("<OrgnlPmtInfId>run1</OrgnlPmtInfId>", ""), "OrgnlPmtInfId is missing."),
        (lambda text: text.replace("pyt1", "p" * 36), "OrgnlEndToEndId is longer than 35 characters."),
        (lambda text: text.replace("pyt1", "p<b/>1"), "OrgnlEndToEndId must be text and has elements."),
        (lambda text: text.replace("<TxSts>ACSP</TxSts>", "<TxSts>ACSP</TxSts>" * 2), "TxSts comes more than once."),
        (
            lambda text: text.replace("</OrgnlPmtInfAndSts>", "<PmtInfSts>RJCT</PmtInfSts></OrgnlPmtInfAndSts>"),
            "PmtInfSts comes after the orders that it is about.",
        ),
        (
            lambda text: text.replace("<OrgnlGrpInfAndSts>", "<X>").replace("</OrgnlGrpInfAndSts>", "</X>"),
            "Does not say first which message it is about.",
        ),
        (
            lambda text: text.replace(
                "<OrgnlGrpInfAndSts>",
                "<OrgnlGrpInfAndSts><OrgnlMsgId>x</OrgnlMsgId></OrgnlGrpInfAndSts><OrgnlGrpInfAndSts>",
            ),
            "Is about two messages.",
        ),
    ],
)
def test_a_report_that_contradicts_its_form_is_unreadable(spoil: Callable[[str], str], reason: str, gap: int) -> None:
    # The gap moves the fault into another of the parser's buffers.
    content = _report(_block(_order("pyt1", "ACSP")).replace("</TxInfAndSts>", "</TxInfAndSts>" + " " * gap))

    with pytest.raises(Unreadable) as found:
        _read(spoil(content.decode()).encode())

    assert found.value.reason == reason
    assert found.value.line


def test_a_report_about_nothing_is_unreadable() -> None:
    empty = f'<Document xmlns="urn:iso:std:iso:20022:tech:xsd:{VERSIONS[0]}"><CstmrPmtStsRpt/></Document>'

    with pytest.raises(Unreadable, match="Does not say which message"):
        _read(empty.encode())


def test_what_looks_like_a_status_elsewhere_is_none() -> None:
    inside = "<OrgnlTxRef><TxInfAndSts><TxSts>RJCT</TxSts></TxInfAndSts></OrgnlTxRef>"

    assert _codes(_report(_block(_order("pyt1", "ACSP", inside)))) == [("order", "pyt1", "ACSP", Meaning.NO_NEWS)]
