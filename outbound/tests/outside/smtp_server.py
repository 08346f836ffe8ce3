"""An SMTP server for the tests, from aiosmtpd.

Prints its port, then one line of JSON for each mail that it took. Refuses recipients by the name before the @:
`gone` for good (550), `later` for now (451).
"""

import asyncio
import json
import sys

from aiosmtpd.smtp import SMTP


class Handler:
    async def handle_RCPT(self, server, session, envelope, address, rcpt_options):
        if address.startswith("gone@"):
            return "550 5.1.1 no such user " + address
        if address.startswith("later@"):
            return "451 4.2.1 try again later " + address
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server, session, envelope):
        mail = {"to": envelope.rcpt_tos, "content": envelope.content.decode()}
        print(json.dumps(mail), flush=True)
        return "250 taken"


async def serve():
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: SMTP(Handler()), "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    # The test closes our input when it is over.
    await loop.run_in_executor(None, sys.stdin.read)


asyncio.run(serve())
