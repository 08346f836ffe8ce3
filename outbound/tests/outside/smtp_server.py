"""An SMTP server for the tests, from aiosmtpd.

Prints its port, then one line of JSON for each mail that it took. Refuses recipients by the name before the @:
`gone` for good (550), `later` for now (451), `grey` for now when it is asked for the first time.

With a certificate and its key as arguments it prints two ports: one that wants STARTTLS and one that speaks TLS from the
first byte. Both want the login `shop` with the password `open sesame`.
"""

import asyncio
import json
import ssl
import sys

from aiosmtpd.smtp import SMTP, AuthResult


class Handler:
    def __init__(self):
        self.seen = set()

    async def handle_RCPT(self, server, session, envelope, address, rcpt_options):
        if address.startswith("gone@"):
            return "550 5.1.1 no such user " + address
        if address.startswith("later@") or (address.startswith("grey@") and address not in self.seen):
            self.seen.add(address)
            return "451 4.7.1 try again later " + address
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server, session, envelope):
        mail = {"to": envelope.rcpt_tos, "content": envelope.content.decode()}
        mail["login"] = session.auth_data.login.decode() if session.auth_data else None
        print(json.dumps(mail), flush=True)
        return "250 taken"


def login(server, session, envelope, mechanism, given):
    success = (given.login, given.password) == (b"shop", b"open sesame")
    return AuthResult(success=success, handled=False, auth_data=given)


async def listen(make, **options):
    server = await asyncio.get_running_loop().create_server(make, "127.0.0.1", 0, **options)
    print(server.sockets[0].getsockname()[1], flush=True)


async def serve(certificate=None, key=None):
    handler = Handler()
    if certificate:
        tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        tls.load_cert_chain(certificate, key)
        wanted = {"authenticator": login, "auth_required": True}
        await listen(lambda: SMTP(handler, tls_context=tls, require_starttls=True, **wanted))
        # aiosmtpd knows of no TLS but that of STARTTLS.
        await listen(lambda: SMTP(handler, auth_require_tls=False, **wanted), ssl=tls)
    else:
        await listen(lambda: SMTP(handler))
    # The test closes our input when it is over.
    await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)


asyncio.run(serve(*sys.argv[1:]))
