"""Where money goes: what is taken, how it is written then, and each way to be refused."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from foundation.errors import Invalid
from payments import destinations
from payments.destinations import (
    AccountNumberMalformed,
    AccountTypeUnknown,
    BankCodeMalformed,
    BankCountryMalformed,
    BicMalformed,
    Destination,
    DestinationKindUnknown,
    DestinationMalformed,
    EmailMalformed,
    IbanChecksumWrong,
    IbanCountryUnknown,
    IbanMalformed,
    IfscMalformed,
    Kind,
    RoutingChecksumWrong,
    RoutingNumberMalformed,
    UpiMalformed,
    WalletNotMobile,
    WalletNumberForeign,
    WalletNumberMalformed,
    WalletUnknown,
)

KEY = b"k" * 32


def _iban(iban: str, **more: str) -> dict[str, str]:
    return {"iban": iban, **more}


def _ach(routing: str = "021000021", account: str = "000123456789", account_type: str = "checking") -> dict[str, str]:
    return {"routing": routing, "account": account, "account_type": account_type}


def _local(country: str = "IN", bank_code: str = "HDFC0000001", account: str = "50100012345678") -> dict[str, str]:
    return {"country": country, "bank_code": bank_code, "account": account}


def _wallet(msisdn: str, wallet: str = "mpesa", country: str = "KE") -> dict[str, str]:
    return {"wallet": wallet, "country": country, "msisdn": msisdn}


# As typed, as kept (where that differs), as shown.
TAKEN: list[tuple[str, dict[str, str], dict[str, str], str]] = [
    ("iban", _iban("de89 3704 0044 0532 0130 00"), _iban("DE89370400440532013000"), "DE** **** 3000"),
    ("iban", _iban("GB29NWBK60161331926819", bic="nwbkgb2lxxx"), {"bic": "NWBKGB2L"}, "GB** **** 6819"),
    ("iban", _iban("FR1420041010050500013M02606", bic="PSSTFRPPLIL"), {}, "FR** **** 2606"),
    ("iban", _iban("NO9386011117947"), {}, "NO** **** 7947"),
    ("iban", _iban("MT84MALT011000012345MTLCAST001S"), {}, "MT** **** 001S"),
    ("ach", _ach(), {}, "US checking **** 6789"),
    (
        "ach",
        _ach("0110 0001 5", "12-34 5", "savings"),
        {"routing": "011000015", "account": "12345"},
        "US savings **** 5",
    ),
    ("ach", _ach(account="7"), {}, "US checking **** "),
    ("ach", _ach(account="1" * 17), {}, "US checking **** 1111"),
    ("local_bank", _local(bank_code="hdfc 0000001"), {"bank_code": "HDFC0000001"}, "IN **** 5678"),
    ("local_bank", _local("NG", "058", "0123 456 789"), {"account": "0123456789"}, "NG **** 789"),
    ("wallet", _wallet("0712 345 678"), {"msisdn": "+254712345678"}, "mpesa/KE **** 678"),
    ("wallet", _wallet("+254 712 345 678"), {"msisdn": "+254712345678"}, "mpesa/KE **** 678"),
    ("wallet", _wallet("254712345678"), {"msisdn": "+254712345678"}, "mpesa/KE **** 678"),  # twelve digits
    ("wallet", _wallet("0110 123456"), {"msisdn": "+254110123456"}, "mpesa/KE **** 456"),
    ("wallet", _wallet("0733 123456"), {"msisdn": "+254733123456"}, "mpesa/KE **** 456"),  # another carrier's, ported
    ("wallet", _wallet("0917-123-4567", "gcash", "PH"), {"msisdn": "+639171234567"}, "gcash/PH **** 567"),
    ("upi", {"upi": "Asha.Rao-1@OkAxis"}, {"upi": "asha.rao-1@okaxis"}, "a***@okaxis"),
    ("upi", {"upi": "9876543210@upi"}, {}, "9***@upi"),
    (
        "email",
        {"email": "Asha.R+pay@Mail.Example.org"},
        {"email": "asha.r+pay@mail.example.org"},
        "a***@mail.example.org",
    ),
    ("email", {"email": "o'neil@example.co.uk"}, {}, "o***@example.co.uk"),
]


@pytest.mark.parametrize(("kind", "typed", "kept", "masked"), TAKEN)
def test_a_destination_has_one_spelling_and_a_mask(
    kind: str, typed: dict[str, str], kept: dict[str, str], masked: str
) -> None:
    destination = destinations.parse(kind, typed)

    assert destination.fields == {**typed, **kept}
    assert destination.masked == masked
    assert destinations.parse(kind, destination.fields) == destination


REFUSED: list[tuple[str, dict[str, Any], type[Invalid], str]] = [
    ("iban", _iban("DE89370400440532013001"), IbanChecksumWrong, "/iban"),
    ("iban", _iban("DE98370400440532013000"), IbanChecksumWrong, "/iban"),
    ("iban", _iban("DE8937040044053201300"), IbanMalformed, "/iban"),
    ("iban", _iban("DE893704004405320130000"), IbanMalformed, "/iban"),
    ("iban", _iban("DE8937040044053201300X"), IbanMalformed, "/iban"),
    ("iban", _iban("FR89370400440532013000"), IbanMalformed, "/iban"),  # the length of another country
    ("iban", _iban("DE89-3704-0044-0532-0130-00"), IbanMalformed, "/iban"),
    ("iban", _iban("US64SVBKUS6S3300958879"), IbanCountryUnknown, "/iban"),
    ("iban", _iban(" "), IbanMalformed, "/iban"),
    ("iban", _iban("DE89370400440532013000", bic="COBADEFFX"), BicMalformed, "/bic"),  # nine characters
    ("iban", _iban("DE89370400440532013000", bic="COBAQQFF"), BicMalformed, "/bic"),
    ("ach", _ach("021000022"), RoutingChecksumWrong, "/routing"),
    ("ach", _ach("02100002"), RoutingNumberMalformed, "/routing"),
    ("ach", _ach("000000000"), RoutingNumberMalformed, "/routing"),  # its check digit fits
    ("ach", _ach("130000007"), RoutingNumberMalformed, "/routing"),  # so does this one's; there is no district 13
    ("ach", _ach(account="1" * 18), AccountNumberMalformed, "/account"),
    ("ach", _ach(account="12A4"), AccountNumberMalformed, "/account"),
    ("ach", _ach(account=" - "), AccountNumberMalformed, "/account"),
    ("ach", _ach(account_type="Checking"), AccountTypeUnknown, "/account_type"),
    ("local_bank", _local(bank_code="HDFC000001"), IfscMalformed, "/bank_code"),  # ten characters
    ("local_bank", _local(bank_code="HDFC1000001"), IfscMalformed, "/bank_code"),
    ("local_bank", _local("NG", "=058"), BankCodeMalformed, "/bank_code"),
    ("local_bank", _local("NG", "0" * 21), BankCodeMalformed, "/bank_code"),
    ("local_bank", _local("ng", "058"), BankCountryMalformed, "/country"),
    ("local_bank", _local("NG", "058", "1" * 35), AccountNumberMalformed, "/account"),
    ("wallet", _wallet("+254 20 8374149"), WalletNotMobile, "/msisdn"),  # Nairobi's fixed lines
    ("wallet", _wallet("+255754123456"), WalletNumberForeign, "/msisdn"),
    ("wallet", _wallet("+12025550123"), WalletNumberForeign, "/msisdn"),
    ("wallet", _wallet("2547123456789"), WalletNumberMalformed, "/msisdn"),
    ("wallet", _wallet("0712"), WalletNumberMalformed, "/msisdn"),
    ("wallet", _wallet("+999712345678"), WalletNumberMalformed, "/msisdn"),
    ("wallet", _wallet("0712345678 ext. 9"), WalletNumberMalformed, "/msisdn"),
    ("wallet", _wallet("0800-MPESA-01"), WalletNumberMalformed, "/msisdn"),
    ("wallet", _wallet("0712345678", "paypal"), WalletUnknown, "/wallet"),
    ("wallet", _wallet("+639171234567", "gcash", "KE"), WalletUnknown, "/wallet"),
    ("upi", {"upi": "asha.okaxis"}, UpiMalformed, "/upi"),
    ("upi", {"upi": "asha@ok@axis"}, UpiMalformed, "/upi"),
    ("upi", {"upi": "@okaxis"}, UpiMalformed, "/upi"),
    ("upi", {"upi": ".asha@okaxis"}, UpiMalformed, "/upi"),
    ("upi", {"upi": "a" * 101 + "@okaxis"}, UpiMalformed, "/upi"),
    ("email", {"email": "asha"}, EmailMalformed, "/email"),
    ("email", {"email": "asha@localhost"}, EmailMalformed, "/email"),
    ("email", {"email": "asha@10.0.0.1"}, EmailMalformed, "/email"),
    ("email", {"email": "asha..rao@example.org"}, EmailMalformed, "/email"),
    ("email", {"email": "asha@-example.org"}, EmailMalformed, "/email"),
    ("email", {"email": " asha@example.org"}, EmailMalformed, "/email"),
    ("email", {"email": "=asha@example.org"}, EmailMalformed, "/email"),
    ("email", {"email": "Asha <asha@example.org>"}, EmailMalformed, "/email"),
    ("email", {"email": "a" * 65 + "@example.org"}, EmailMalformed, "/email"),
    ("paypal", {"email": "asha@example.org"}, DestinationKindUnknown, "/kind"),
    ("email", {}, DestinationMalformed, "/email"),
    ("email", {"email": None}, DestinationMalformed, "/email"),
    ("email", {"email": ""}, DestinationMalformed, "/email"),
    ("email", {"email": "ash\u00e1@example.org"}, DestinationMalformed, "/email"),
    ("email", {"email": "asha@example.org\n"}, DestinationMalformed, "/email"),
    ("email", {"email": "a" * 243 + "@example.org"}, DestinationMalformed, "/email"),
    ("email", {"email": "asha@example.org", "na/me": "A"}, DestinationMalformed, "/na~1me"),
    (
        "wallet",
        _wallet("\u0660\u0667\u0661\u0662\u0663\u0664\u0665\u0666\u0667\u0668"),
        DestinationMalformed,
        "/msisdn",
    ),
    ("iban", _iban("DE89\u00a037040044\u00a00532013000"), DestinationMalformed, "/iban"),
]


@pytest.mark.parametrize(("kind", "typed", "problem", "pointer"), REFUSED)
def test_each_way_to_be_wrong_has_its_problem(
    kind: str, typed: dict[str, Any], problem: type[Invalid], pointer: str
) -> None:
    with pytest.raises(Invalid) as refused:
        destinations.parse(kind, typed)

    assert type(refused.value) is problem
    assert [error["pointer"] for error in refused.value.errors] == [pointer]


@pytest.mark.parametrize(("kind", "typed", "problem", "pointer"), REFUSED)
def test_no_problem_repeats_what_was_typed(
    kind: str, typed: dict[str, Any], problem: type[Invalid], pointer: str
) -> None:
    with pytest.raises(problem) as refused:
        destinations.parse(kind, typed)

    told = json.dumps(refused.value.body(), ensure_ascii=False)
    typed_text = [value for value in typed.values() if isinstance(value, str) and len(value) > 11]
    assert not [value for value in typed_text if value in told]


def test_all_members_that_are_wrong_are_named() -> None:
    with pytest.raises(DestinationMalformed) as refused:
        destinations.parse("ach", {"routing": 21000021, "account": ["1"], "swift": "X"})

    assert [error["pointer"] for error in refused.value.errors] == ["/swift", "/account_type", "/routing", "/account"]


@pytest.mark.parametrize("iban", ["DE89370400440532013000", "NO9386011117947", "GB29NWBK60161331926819"])
def test_any_wrong_digit_and_any_two_swapped_are_found(iban: str) -> None:
    digits = range(4, len(iban))
    wrong = [iban[:at] + new + iban[at + 1 :] for at in digits if iban[at].isdigit() for new in "0123456789"]
    wrong += [iban[:at] + iban[at + 1] + iban[at] + iban[at + 2 :] for at in digits[:-1]]

    for typed in set(wrong) - {iban}:
        with pytest.raises((IbanChecksumWrong, IbanMalformed)):
            destinations.parse("iban", {"iban": typed})


def test_any_wrong_digit_of_a_routing_number_is_found() -> None:
    routing = "021000021"

    for typed in {routing[:at] + new + routing[at + 1 :] for at in range(9) for new in "0123456789"} - {routing}:
        with pytest.raises((RoutingChecksumWrong, RoutingNumberMalformed)):
            destinations.parse("ach", _ach(typed))


def test_which_wallets_there_are_is_for_the_operator_to_say() -> None:
    typed = _wallet("0754 123 456", "mpesa", "TZ")

    with pytest.raises(WalletUnknown, match="mpesa/KE"):
        destinations.parse("wallet", typed)

    allowed = destinations.parse("wallet", typed, wallets={("mpesa", "TZ")})
    assert allowed.fields["msisdn"] == "+255754123456"


def test_a_number_that_may_be_mobile_will_do() -> None:
    """In North America fixed and mobile numbers cannot be told apart."""
    typed = _wallet("(202) 555-0123", "venmo", "US")

    assert destinations.parse("wallet", typed, wallets={("venmo", "US")}).fields["msisdn"] == "+12025550123"


members = st.sampled_from(
    [
        "iban",
        "bic",
        "routing",
        "account",
        "account_type",
        "country",
        "bank_code",
        "wallet",
        "msisdn",
        "upi",
        "email",
        "",
    ]
)
plain = st.text(st.characters(min_codepoint=32, max_codepoint=126), max_size=40)
values = st.one_of(
    plain, st.text(max_size=300), st.none(), st.integers(), st.booleans(), st.lists(st.text(), max_size=2),
    st.sampled_from(["KE", "IN", "mpesa", "gcash", "checking", "021000021", "DE89370400440532013000", "HDFC0000001"]),
)  # fmt: skip
needed = {
    Kind.IBAN: ("iban", "bic"), Kind.ACH: ("routing", "account", "account_type"), Kind.UPI: ("upi",),
    Kind.LOCAL_BANK: ("country", "bank_code", "account"), Kind.WALLET: ("wallet", "country", "msisdn"),
    Kind.EMAIL: ("email",),
}  # fmt: skip


@given(st.sampled_from(Kind), st.data())
def test_whatever_is_typed_is_a_destination_or_a_named_problem(kind: Kind, data: st.DataObject) -> None:
    whole = st.fixed_dictionaries(dict.fromkeys(needed[kind], values))
    typed = data.draw(st.one_of(whole, whole, st.dictionaries(members, values)))

    outcome = _parsed(kind, typed)

    if isinstance(outcome, Invalid):
        assert type(outcome) is not Invalid
        assert outcome.errors
    else:
        assert _parsed(kind, dict(outcome.fields)) == outcome
        assert all(value.isascii() and value == value.strip() for value in outcome.fields.values())
        assert outcome.masked not in outcome.fields.values()


def _parsed(kind: Kind, typed: dict[str, Any]) -> Destination | Invalid:
    try:
        return destinations.parse(kind, typed)
    except Invalid as problem:
        return problem


@pytest.mark.parametrize(("kind", "typed", "kept", "masked"), TAKEN)
def test_neither_mask_nor_representation_gives_a_destination_away(
    kind: str, typed: dict[str, str], kept: dict[str, str], masked: str
) -> None:
    destination = destinations.parse(kind, typed)
    secret = destination.fields[{"local_bank": "account", "ach": "account", "wallet": "msisdn"}.get(kind, kind)]

    assert secret[: max(1, len(secret) // 2)] not in destination.masked
    assert secret not in repr(destination)


def _fingerprints(kind: str, typed: dict[str, str], key: bytes = KEY) -> tuple[bytes, bytes]:
    destination = destinations.parse(kind, typed)
    return destinations.fingerprint(destination, key), destinations.account_fingerprint(destination, key)


@pytest.mark.parametrize(
    ("kind", "one", "other"),
    [
        ("iban", _iban("DE89370400440532013000"), _iban("de89 3704 0044 0532 0130 00")),
        ("iban", _iban("DE89370400440532013000", bic="COBADEFFXXX"), _iban("DE89370400440532013000", bic="cobadeff")),
        ("wallet", _wallet("0712345678"), _wallet("+254 712-345-678")),
        ("email", {"email": "asha@example.org"}, {"email": "Asha@Example.ORG"}),
        ("ach", _ach(account="123-456"), _ach(account="123456")),
    ],
)
def test_one_destination_typed_twice_has_one_fingerprint(kind: str, one: dict[str, str], other: dict[str, str]) -> None:
    assert _fingerprints(kind, one) == _fingerprints(kind, other)


@pytest.mark.parametrize(
    ("kind", "one", "other"),
    [
        ("iban", _iban("DE89370400440532013000"), _iban("DE89370400440532013000", bic="COBADEFF")),
        ("ach", _ach(), _ach(account_type="savings")),
    ],
)
def test_a_detail_changes_the_destination_and_not_the_account(
    kind: str, one: dict[str, str], other: dict[str, str]
) -> None:
    (whole, account), (changed, same) = _fingerprints(kind, one), _fingerprints(kind, other)

    assert whole != changed
    assert account == same


def test_all_else_changes_both_fingerprints() -> None:
    distinct = [(kind, typed) for kind, typed, _, _ in TAKEN]
    whole, account = zip(*(_fingerprints(kind, typed) for kind, typed in distinct), strict=True)
    of_one_number = 3

    assert len(set(whole)) == len(set(account)) == len(distinct) - of_one_number + 1
    assert not set(whole) & set(account)
    assert {len(each) for each in whole + account} == {32}


def test_a_fingerprint_says_nothing_without_its_key() -> None:
    assert _fingerprints("wallet", _wallet("0712345678")) != _fingerprints("wallet", _wallet("0712345678"), b"l" * 32)
