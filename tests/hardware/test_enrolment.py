"""Enrolment judged: what is granted, and each refusal by its name."""

import dataclasses
import json

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from hypothesis import given, settings
from hypothesis import strategies as st

from hardware import device_enrolment as devices
from hardware import enrolment
from hardware.ca import Ca, new_tls_key
from hardware.device_enrolment import add_device, open_device_request
from hardware.enrolment import RelayRequest, Token, add_relay, judge, open_relay_request
from hardware.enrolment_answer import Answer, AnswerRefused, open_answer, sign_answer
from hardware.enrolment_request import EnrolmentRefused, Why
from hardware.keys import box_public
from hardware.roster import RelayKey, Roster, sign_roster
from hardware.signing import SigningKey, sign_document

NOW_S = 1.8e9
KEY, TOKEN, TLS = SigningKey(b"k" * 32), b"t" * 32, new_tls_key()
AUTHORITY = SigningKey(b"a" * 32)
CARD = Token("moto-1", enrolment.token_public(TOKEN), NOW_S + 60)
SMALL_ORDER = "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05"
ROSTER = Roster(
    "race", 4, NOW_S, box_public(b"e" * 32), SigningKey(b"t" * 31 + b"u").public, (), (), ()
)


def ask(**changes: object) -> bytes:
    fields = {
        "event": "race", "name": "moto-1", "serial": "pi-7", "key": KEY, "tls_key": TLS,
        "token": TOKEN, "nonce": bytes(16),
    } | changes  # fmt: skip
    return enrolment.make_relay_request(**fields)  # type: ignore[arg-type]


def changed(envelope: bytes, key: SigningKey = KEY, **fields: object) -> bytes:
    """The request with other words, signed again by who holds the relay's key."""
    payload = enrolment.open_request(envelope, enrolment.RELAY_TYPE, enrolment.RELAY_SCHEMA)
    return sign_document(payload | fields, enrolment.RELAY_TYPE, key)


def why_of(envelope: bytes) -> Why:
    with pytest.raises(EnrolmentRefused, match=r"^refused \(\w+\): \w") as refusal:
        open_relay_request(envelope)
    return refusal.value.why


def csr_of(key: object, *names: str) -> str:
    subject = [x509.NameAttribute(x509.NameOID.COMMON_NAME, name) for name in names]
    builder = x509.CertificateSigningRequestBuilder().subject_name(x509.Name(subject))
    signed = builder.sign(key, hashes.SHA256())  # type: ignore[arg-type]
    return signed.public_bytes(serialization.Encoding.PEM).decode()


def with_csr(csr: str) -> bytes:
    """A request whose every signature holds over another CSR."""
    request = dataclasses.replace(open_relay_request(ask()), csr=csr)
    card = SigningKey(TOKEN)
    proof = card.sign(enrolment.signed_bytes(request.statement(), b"race"))
    return changed(ask(), csr=csr, token_signature=proof.hex())


def test_a_request_says_who_asks_with_which_keys_and_nothing_of_the_token():
    request = open_relay_request(ask())
    assert (request.event, request.name, request.serial) == ("race", "moto-1", "pi-7")
    assert request.sign_public == KEY.public
    assert request.tls_public == TLS.public_key()
    assert TOKEN.hex().encode() not in ask()
    judge(request, CARD, None, ROSTER, NOW_S)
    assert open_relay_request(ask()).keys_digest == request.keys_digest
    assert open_relay_request(ask(tls_key=new_tls_key())).keys_digest != request.keys_digest


@pytest.mark.parametrize(
    ("why", "envelope"),
    [
        (Why.MALFORMED, lambda: b""),
        (Why.MALFORMED, lambda: b"[" * 5000),
        (Why.MALFORMED, lambda: ask()[:-9]),
        (Why.MALFORMED, lambda: b" " + ask()),
        (Why.MALFORMED, lambda: changed(ask(), schema="truck.enrol-relay/2")),
        (Why.MALFORMED, lambda: changed(ask(), nonce="00")),
        (Why.MALFORMED, lambda: changed(ask(), serial="two\nlines")),
        (Why.MALFORMED, lambda: changed(ask(), name="Moto 1")),
        (Why.OVERSIZE, lambda: ask() + b" " * 9000),
        (Why.WEAK_KEY, lambda: changed(ask(), sign_public=SMALL_ORDER)),
        (Why.NO_POSSESSION, lambda: changed(ask(), SigningKey(b"x" * 32))),
        (Why.TOKEN_FORGED, lambda: changed(ask(), token=SigningKey(b"x" * 32).public.hex())),
        (Why.TOKEN_FORGED, lambda: changed(ask(), serial="pi-8")),
        (Why.TOKEN_FORGED, lambda: changed(ask(), nonce="11" * 16)),
        (Why.CSR, lambda: with_csr(csr_of(TLS, "truck"))),
        (Why.CSR, lambda: with_csr(csr_of(TLS, "moto-1", "truck"))),
        (Why.CSR, lambda: with_csr(csr_of(ec.generate_private_key(ec.SECP384R1()), "moto-1"))),
        (Why.CSR, lambda: with_csr(csr_of(rsa.generate_private_key(65537, 2048), "moto-1"))),
        (Why.CSR, lambda: with_csr("-----BEGIN NOTHING-----")),
    ],
)
def test_each_broken_request_is_refused_by_name(why, envelope):
    assert why_of(envelope()) is why


def test_a_csr_signed_by_another_key_than_it_names_is_refused():
    pem = csr_of(TLS, "moto-1")
    der = bytearray(x509.load_pem_x509_csr(pem.encode()).public_bytes(serialization.Encoding.DER))
    der[-4] ^= 1
    forged = x509.load_der_x509_csr(bytes(der)).public_bytes(serialization.Encoding.PEM).decode()
    assert why_of(with_csr(forged)) is Why.CSR


@settings(max_examples=200, deadline=None)
@given(st.integers(0, 1500), st.integers(1, 255))
def test_a_flipped_byte_never_passes(at, flip):
    raw = bytearray(ask())
    raw[at % len(raw)] ^= flip
    with pytest.raises(EnrolmentRefused):
        open_relay_request(bytes(raw))


def test_a_token_is_judged_by_name_age_use_and_revocation():
    request = open_relay_request(ask())
    other = dataclasses.replace(CARD, name="heli")
    revoked = dataclasses.replace(CARD, revoked=True)
    digest = request.keys_digest
    for why, token, used_by, at_s in [
        (Why.TOKEN_UNKNOWN, None, None, NOW_S),
        (Why.TOKEN_OF_ANOTHER, other, None, NOW_S),
        (Why.TOKEN_USED, CARD, "0" * 64, NOW_S),
        (Why.TOKEN_REVOKED, revoked, None, NOW_S),
        (Why.TOKEN_EXPIRED, CARD, None, NOW_S + 61),
    ]:
        with pytest.raises(EnrolmentRefused) as refusal:
            judge(request, token, used_by, ROSTER, at_s)
        assert refusal.value.why is why
    judge(request, CARD, digest, ROSTER, NOW_S + 61)  # its answer was lost, it asks again late


def test_the_roster_judges_event_and_key():
    request = open_relay_request(ask())
    elsewhere = dataclasses.replace(ROSTER, event="other")
    taken = dataclasses.replace(ROSTER, relays=(RelayKey("heli", KEY.public),))
    revoked = dataclasses.replace(ROSTER, relays=(RelayKey("moto-1", KEY.public, revoked=True),))
    for why, roster in [
        (Why.OTHER_EVENT, elsewhere), (Why.KEY_TAKEN, taken), (Why.KEY_REVOKED, revoked),
    ]:  # fmt: skip
        with pytest.raises(EnrolmentRefused) as refusal:
            judge(request, CARD, request.keys_digest, roster, NOW_S)
        assert refusal.value.why is why


def test_a_relay_that_enrols_again_has_one_key_and_is_not_revoked():
    old = dataclasses.replace(
        ROSTER, relays=(RelayKey("heli", b"h" * 32), RelayKey("moto-1", b"o" * 32, revoked=True))
    )
    new = add_relay(old, "moto-1", KEY.public)
    assert new.relays == (RelayKey("heli", b"h" * 32), RelayKey("moto-1", KEY.public))
    assert add_relay(new, "moto-1", KEY.public) is new


def device(number: int = 7, generation: int = 1, seed: bytes = b"d", event: str = "race") -> bytes:
    return devices.make_device_request(
        event=event, device=number, generation=generation, serial="esp-1",
        key=SigningKey(seed * 32), box_public=box_public(seed * 32),
    )  # fmt: skip


def with_device(roster: Roster, envelope: bytes, bib: int | None = None) -> Roster:
    request = open_device_request(envelope)
    return add_device(roster, request, bib=bib, now_s=NOW_S, valid_s=60.0)


def test_a_transponder_comes_with_its_rider_and_a_new_generation_revokes_the_old():
    first = with_device(ROSTER, device(), bib=12)
    assert [(d.kid, d.revoked) for d in first.devices] == [(0x701, False)]
    assert first.bib_of(7, NOW_S) == 12
    assert with_device(first, device(), bib=12) == first
    assert devices.next_generation(first, 7) == 2
    second = with_device(first, device(generation=2, seed=b"n"))
    assert [(d.generation, d.revoked) for d in second.devices] == [(1, True), (2, False)]
    third = with_device(second, device(8, seed=b"m"), bib=12)
    assert (third.bib_of(8, NOW_S), third.bib_of(7, NOW_S), third.bib_of(7, NOW_S - 1)) == (
        12,
        0,
        0,
    )


@pytest.mark.parametrize(
    ("why", "envelope"),
    [
        (Why.OTHER_EVENT, lambda: device(event="other")),
        (Why.KEY_TAKEN, lambda: device(8)),
        (Why.GENERATION, lambda: device(seed=b"n")),
        (Why.GENERATION, lambda: device(generation=0, seed=b"n")),
    ],
)
def test_a_transponder_the_roster_cannot_take_is_refused_by_name(why, envelope):
    held = with_device(ROSTER, device())
    with pytest.raises(EnrolmentRefused) as refusal:
        with_device(held, envelope())
    assert refusal.value.why is why


def test_a_transponders_weak_keys_are_refused():
    fields = json.loads(
        json.dumps(enrolment.open_request(device(), devices.DEVICE_TYPE, devices.DEVICE_SCHEMA))
    )
    weak = sign_document(
        fields | {"box_public": "00" * 32}, devices.DEVICE_TYPE, SigningKey(b"d" * 32)
    )
    with pytest.raises(EnrolmentRefused) as refusal:
        open_device_request(weak)
    assert refusal.value.why is Why.WEAK_KEY


def test_a_revoked_key_does_not_come_back():
    held = with_device(ROSTER, device())
    gone = dataclasses.replace(
        held, devices=tuple(dataclasses.replace(d, revoked=True) for d in held.devices)
    )
    with pytest.raises(EnrolmentRefused) as refusal:
        with_device(gone, device())
    assert refusal.value.why is Why.KEY_REVOKED


CA = Ca.new(NOW_S)


def answer_to(request: RelayRequest, ca: Ca = CA, **changes: object) -> Answer:
    roster = add_relay(ROSTER, request.name, request.sign_public)
    answer = Answer(
        event="race", name=request.name, keys_digest=request.keys_digest,
        certificate=ca.issue(request.name, (), NOW_S, request.tls_public).decode(),
        ca=CA.certificate_pem().decode(), roster=sign_roster(roster, AUTHORITY).decode(),
        issued_at_s=NOW_S,
    )  # fmt: skip
    return dataclasses.replace(answer, **changes)  # type: ignore[arg-type]


def test_an_answer_is_kept_only_where_all_of_it_is_for_this_node():
    request = open_relay_request(ask())
    ca_pem = CA.certificate_pem().decode()
    good = answer_to(request)
    opened, roster = open_answer(sign_answer(good, AUTHORITY), request, ca_pem, AUTHORITY.public)
    assert (opened, roster.relays) == (good, (RelayKey("moto-1", KEY.public),))
    stranger = open_relay_request(ask(name="heli", key=SigningKey(b"h" * 32)))
    newer = open_relay_request(ask(tls_key=new_tls_key()))
    for said, answer, by in [
        ("not of this event's authority", good, KEY),
        ("for 'heli'", answer_to(stranger), AUTHORITY),
        ("or for another key", answer_to(newer), AUTHORITY),
        ("the event 'x'", dataclasses.replace(good, event="x"), AUTHORITY),
        ("CA has not signed it", answer_to(request, Ca.new(NOW_S)), AUTHORITY),
        ("not of this event's", dataclasses.replace(good, roster="{}"), AUTHORITY),
        (
            "does not let this relay speak",
            dataclasses.replace(good, roster=sign_roster(ROSTER, AUTHORITY).decode()), AUTHORITY,
        ),
        ("certificate does not hold", dataclasses.replace(good, certificate="?"), AUTHORITY),
    ]:  # fmt: skip
        with pytest.raises(AnswerRefused, match=said):
            open_answer(sign_answer(answer, by), request, ca_pem, AUTHORITY.public)
