"""What a payout destination is, by rail: an IBAN, a US account, another bank's account, a wallet, a UPI id, an e-mail.

Nothing is looked up: an account that could be there may still not be. How destinations are stored is in `sealing.py`.
"""

import hashlib
import hmac
import json
import re
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from types import MappingProxyType

import phonenumbers
import schwifty
from phonenumbers import PhoneNumberFormat, PhoneNumberType
from schwifty import exceptions

from foundation.errors import Invalid

# As long as an e-mail address may be (RFC 5321); everything else is shorter.
_TEXT = re.compile(r"[\x20-\x7e]{1,254}")
_COUNTRY = re.compile(r"[A-Z]{2}")
_ROUTING = re.compile(r"[0-9]{9}")
# Federal Reserve districts, and the same for thrifts and electronic payments. 00 is the government, 80 were cheques.
_ROUTING_DISTRICT = re.compile(r"(0[1-9]|1[0-2]|2[1-9]|3[0-2]|6[1-9]|7[0-2])[0-9]*")
_ROUTING_WEIGHTS = (3, 7, 1, 3, 7, 1, 3, 7, 1)
_ACH_ACCOUNT = re.compile(r"[0-9]{1,17}")
_BANK_CODE = re.compile(r"[A-Z0-9]{1,20}")
_ACCOUNT = re.compile(r"[A-Z0-9]{1,34}")
# Reserve Bank of India: four letters for the bank, a zero, six characters for the branch.
_IFSC = re.compile(r"[A-Z]{4}0[A-Z0-9]{6}")
_TYPED_NUMBER = re.compile(r"\+?[0-9 ().-]{4,30}")
_MOBILE = (PhoneNumberType.MOBILE, PhoneNumberType.FIXED_LINE_OR_MOBILE)
_UPI = re.compile(r"[a-z0-9]([a-z0-9._-]{0,98}[a-z0-9])?@[a-z][a-z0-9]{1,63}")
# Fewer than RFC 5321 allows: no quotes, no comments, no address in brackets, and no first character of a formula.
_EMAIL_NAME = re.compile(r"[a-z0-9_][a-z0-9_+'-]*(\.[a-z0-9_+'-]+)*")
_EMAIL_DOMAIN = re.compile(r"([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z]([a-z0-9-]{0,61}[a-z0-9])")

# Wallets that can be paid into, with the country whose mobile numbers they know people by.
WALLETS = frozenset({("mpesa", "KE"), ("airtel", "KE"), ("gcash", "PH"), ("maya", "PH")})


class DestinationKindUnknown(Invalid):
    """Nothing is paid out to a destination of this kind."""


class DestinationMalformed(Invalid):
    """A destination has exactly the members of its kind, all of them plain text."""


class IbanMalformed(Invalid):
    """This has not the form of an IBAN."""


class IbanCountryUnknown(Invalid):
    """This country has no IBANs."""


class IbanChecksumWrong(Invalid):
    """The check digits of the IBAN do not fit."""


class BicMalformed(Invalid):
    """This has not the form of a BIC."""


class RoutingNumberMalformed(Invalid):
    """This has not the form of a bank's routing number."""


class RoutingChecksumWrong(Invalid):
    """The check digit of the routing number does not fit."""


class AccountNumberMalformed(Invalid):
    """This has not the form of an account number."""


class AccountTypeUnknown(Invalid):
    """An account is checking or savings."""


class BankCountryMalformed(Invalid):
    """A country is two capital letters."""


class BankCodeMalformed(Invalid):
    """This has not the form of a bank's code."""


class IfscMalformed(Invalid):
    """This has not the form of an IFSC."""


class WalletUnknown(Invalid):
    """Nothing is paid out to this wallet in this country."""


class WalletNumberMalformed(Invalid):
    """This cannot be a telephone number."""


class WalletNotMobile(Invalid):
    """A wallet belongs to a mobile number."""


class WalletNumberForeign(Invalid):
    """The number belongs to another country than the wallet."""


class UpiMalformed(Invalid):
    """This has not the form of a UPI id."""


class EmailMalformed(Invalid):
    """This cannot be paid to as an e-mail address."""


class Kind(StrEnum):
    IBAN = "iban"
    ACH = "ach"
    LOCAL_BANK = "local_bank"
    WALLET = "wallet"
    UPI = "upi"
    EMAIL = "email"


@dataclass(frozen=True, slots=True)
class Destination:
    """Where money goes. `fields` have one spelling for one destination; no representation shows them."""

    kind: Kind
    fields: Mapping[str, str] = field(repr=False, hash=False)

    @property
    def masked(self) -> str:
        """Enough for its owner to know it by and for nobody else to use: `DE** **** 3000`."""
        return _MASKS[self.kind](self.fields)


_MEMBERS: Mapping[Kind, tuple[frozenset[str], frozenset[str]]] = {
    Kind.IBAN: (frozenset({"iban"}), frozenset({"bic"})),
    Kind.ACH: (frozenset({"routing", "account", "account_type"}), frozenset()),
    Kind.LOCAL_BANK: (frozenset({"country", "bank_code", "account"}), frozenset()),
    Kind.WALLET: (frozenset({"wallet", "country", "msisdn"}), frozenset()),
    Kind.UPI: (frozenset({"upi"}), frozenset()),
    Kind.EMAIL: (frozenset({"email"}), frozenset()),
}


def parse(kind: str, given: Mapping[str, object], *, wallets: Collection[tuple[str, str]] = WALLETS) -> Destination:
    """The destination that somebody typed. Every way to be wrong is a subclass of `Invalid` with a pointer.

    Members: iban and perhaps bic; routing, account, account_type; country, bank_code, account; wallet, country, msisdn;
    upi; email. wallets : name and country of those that are paid into.
    """
    try:
        known = Kind(kind)
    except ValueError:
        raise _wrong(DestinationKindUnknown, "kind", f"Must be one of {', '.join(Kind)}.") from None
    text = _members(known, given)
    if known is Kind.WALLET:
        return Destination(known, MappingProxyType(_read_wallet(text, wallets)))
    return Destination(known, MappingProxyType(_READERS[known](text)))


def _members(kind: Kind, given: Mapping[str, object]) -> dict[str, str]:
    needed, possible = _MEMBERS[kind]
    wrong = [(name, "Unknown field.") for name in given if name not in needed | possible]
    wrong += [(name, "Missing data for required field.") for name in sorted(needed - given.keys())]
    text = {name: value for name, value in given.items() if isinstance(value, str) and _TEXT.fullmatch(value)}
    asked = [name for name in given if name in needed | possible]
    wrong += [(name, "Must be text of 1 to 254 plain characters.") for name in asked if name not in text]
    if wrong:
        errors = [{"pointer": f"/{_escaped(name)}", "reason": reason} for name, reason in wrong]
        raise DestinationMalformed("Give the members of this kind of destination and no others.", errors=errors)
    return text


def _escaped(name: str) -> str:
    return name.replace("~", "~0").replace("/", "~1")


def _wrong(problem: type[Invalid], member: str, reason: str) -> Invalid:
    # No reason repeats what was typed: it may be right but for one digit, and problems are logged.
    return problem(reason, errors=[{"pointer": f"/{member}", "reason": reason}])


def _compact(text: str, between: str = " ") -> str:
    """Capitals without what people write between groups of digits."""
    return text.translate({ord(character): None for character in between}).upper()


def _read_iban(given: Mapping[str, str]) -> dict[str, str]:
    """ISO 13616. Its letters, its country, that country's structure, and only then its check digits."""
    try:
        read = {"iban": str(schwifty.IBAN(_compact(given["iban"])))}
    except exceptions.InvalidChecksumDigits:
        raise _wrong(IbanChecksumWrong, "iban", "The check digits do not fit; one character is wrong.") from None
    except exceptions.InvalidCountryCode:
        raise _wrong(IbanCountryUnknown, "iban", "Must begin with a country that has IBANs.") from None
    except exceptions.SchwiftyException:
        raise _wrong(IbanMalformed, "iban", "Must have the length and the form of its country's IBANs.") from None
    if "bic" in given:
        read["bic"] = _read_bic(given["bic"])
    return read


def _read_bic(typed: str) -> str:
    """ISO 9362, without the XXX that says head office and may be left out."""
    try:
        return str(schwifty.BIC(_compact(typed)))[:11].removesuffix("XXX")
    except exceptions.SchwiftyException:
        raise _wrong(BicMalformed, "bic", "Must be 8 or 11 characters with a country in the fifth and sixth.") from None


def _read_ach(given: Mapping[str, str]) -> dict[str, str]:
    routing, account = _compact(given["routing"]), _compact(given["account"], " -")
    if not (_ROUTING.fullmatch(routing) and _ROUTING_DISTRICT.fullmatch(routing)):
        raise _wrong(RoutingNumberMalformed, "routing", "Must be the nine digits of a bank that takes ACH payments.")
    if sum(weight * int(digit) for weight, digit in zip(_ROUTING_WEIGHTS, routing, strict=True)) % 10:
        raise _wrong(RoutingChecksumWrong, "routing", "The last digit does not fit; one digit is wrong.")
    if not _ACH_ACCOUNT.fullmatch(account):
        raise _wrong(AccountNumberMalformed, "account", "Must be 1 to 17 digits.")
    if given["account_type"] not in {"checking", "savings"}:
        raise _wrong(AccountTypeUnknown, "account_type", "Must be checking or savings.")
    return {"routing": routing, "account": account, "account_type": given["account_type"]}


def _read_local_bank(given: Mapping[str, str]) -> dict[str, str]:
    country, bank_code, account = given["country"], _compact(given["bank_code"], " -"), _compact(given["account"], " -")
    if not _COUNTRY.fullmatch(country):
        raise _wrong(BankCountryMalformed, "country", "Must be a country code such as KE.")
    if country == "IN" and not _IFSC.fullmatch(bank_code):
        raise _wrong(IfscMalformed, "bank_code", "Must be an IFSC: four letters, a zero and six characters.")
    if not _BANK_CODE.fullmatch(bank_code):
        raise _wrong(BankCodeMalformed, "bank_code", "Must be at most 20 letters and digits.")
    if not _ACCOUNT.fullmatch(account):
        raise _wrong(AccountNumberMalformed, "account", "Must be at most 34 letters and digits.")
    return {"country": country, "bank_code": bank_code, "account": account}


def _read_wallet(given: Mapping[str, str], wallets: Collection[tuple[str, str]]) -> dict[str, str]:
    """The number as E.164. Whose network it was issued for says nothing: numbers move between carriers."""
    wallet, country = given["wallet"], given["country"]
    if (wallet, country) not in wallets:
        reason = f"Must be one of {', '.join(sorted('/'.join(each) for each in wallets))}, with its country."
        raise _wrong(WalletUnknown, "wallet", reason)
    malformed = _wrong(WalletNumberMalformed, "msisdn", "Must be a telephone number as it is dialled there, or with +.")
    if not _TYPED_NUMBER.fullmatch(given["msisdn"]):
        raise malformed
    try:
        number = phonenumbers.parse(given["msisdn"], country)
    except phonenumbers.NumberParseException:
        raise malformed from None
    if not phonenumbers.is_valid_number(number):
        raise malformed
    if phonenumbers.number_type(number) not in _MOBILE:
        raise _wrong(WalletNotMobile, "msisdn", "Must be a mobile number; this one is not.")
    if phonenumbers.region_code_for_number(number) != country:
        raise _wrong(WalletNumberForeign, "msisdn", f"Must be a number of {country}.")
    e164 = phonenumbers.format_number(number, PhoneNumberFormat.E164)
    return {"wallet": wallet, "country": country, "msisdn": e164}


def _read_upi(given: Mapping[str, str]) -> dict[str, str]:
    upi = given["upi"].lower()
    if not _UPI.fullmatch(upi):
        raise _wrong(UpiMalformed, "upi", "Must be a name and a handle such as asha.rao@okaxis.")
    return {"upi": upi}


def _read_email(given: Mapping[str, str]) -> dict[str, str]:
    # Those who pay by e-mail take capitals and small letters for the same address.
    email = given["email"].lower()
    name, _, domain = email.rpartition("@")
    if len(name) > 64 or not (_EMAIL_NAME.fullmatch(name) and _EMAIL_DOMAIN.fullmatch(domain)):
        raise _wrong(EmailMalformed, "email", "Must be a plain e-mail address such as you@example.com.")
    return {"email": email}


_READERS: Mapping[Kind, Callable[[Mapping[str, str]], dict[str, str]]] = {
    Kind.IBAN: _read_iban,
    Kind.ACH: _read_ach,
    Kind.LOCAL_BANK: _read_local_bank,
    Kind.UPI: _read_upi,
    Kind.EMAIL: _read_email,
}


def _end(text: str) -> str:
    """The last characters: four of twelve or more, none of two."""
    return text[len(text) - min(4, len(text) // 3) :]


_MASKS: Mapping[Kind, Callable[[Mapping[str, str]], str]] = {
    Kind.IBAN: lambda fields: f"{fields['iban'][:2]}** **** {_end(fields['iban'])}",
    Kind.ACH: lambda fields: f"US {fields['account_type']} **** {_end(fields['account'])}",
    Kind.LOCAL_BANK: lambda fields: f"{fields['country']} **** {_end(fields['account'])}",
    Kind.WALLET: lambda fields: f"{fields['wallet']}/{fields['country']} **** {fields['msisdn'][-3:]}",
    Kind.UPI: lambda fields: f"{fields['upi'][0]}***@{fields['upi'].partition('@')[2]}",
    Kind.EMAIL: lambda fields: f"{fields['email'][0]}***@{fields['email'].rpartition('@')[2]}",
}
# What can be changed without the money arriving elsewhere.
_BESIDE_THE_POINT = frozenset({"bic", "account_type"})


def fingerprint(destination: Destination, key: bytes) -> bytes:
    """HMAC-SHA256 of all that a destination says: the same for the same destination, however it was typed.

    For what must notice any change, such as an approval. Under a secret key, for there are few telephone numbers.
    """
    return _hmac("destination", destination.kind, destination.fields, key)


def account_fingerprint(destination: Destination, key: bytes) -> bytes:
    """HMAC-SHA256 of the account alone: the same for two destinations whose money arrives in one place.

    For whether several people share one; a BIC more or less, or the other account type, hides nothing.
    """
    fields = {name: value for name, value in destination.fields.items() if name not in _BESIDE_THE_POINT}
    return _hmac("account", destination.kind, fields, key)


def canonical(kind: Kind, fields: Mapping[str, str]) -> bytes:
    """The one way to write a destination down."""
    return json.dumps([kind, dict(fields)], sort_keys=True, separators=(",", ":")).encode()


def _hmac(purpose: str, kind: Kind, fields: Mapping[str, str], key: bytes) -> bytes:
    assert len(key) >= 32, "a key that can be guessed keeps nothing secret"
    return hmac.digest(key, purpose.encode() + b"\0" + canonical(kind, fields), hashlib.sha256)
