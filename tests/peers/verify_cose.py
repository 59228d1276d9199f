"""Run by the independent COSE library's own Python: which messages does it accept?

stdin: one JSON list of [cose_sign1_hex, external_aad_hex, public_hex, kid_hex];
stdout: a list of booleans.
"""

import json
import sys

from cwt import COSE, COSEKey
from cwt.exceptions import CWTError


def accepts(message: str, external_aad: str, public: str, kid: str) -> bool:
    """Whether cwt verifies the message."""
    named = {2: bytes.fromhex(kid)} if kid else {}
    key = COSEKey.new({1: 1, -1: 6, -2: bytes.fromhex(public), 3: -8} | named)
    try:
        COSE.new().decode(bytes.fromhex(message), key, external_aad=bytes.fromhex(external_aad))
    except (CWTError, ValueError, TypeError):
        return False
    return True


json.dump([accepts(*case) for case in json.load(sys.stdin)], sys.stdout)
