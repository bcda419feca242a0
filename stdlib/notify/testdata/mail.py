"""A mail server for tests (aiosmtpd): writes each message that it takes to DIR/N.eml.

usage: mail.py PORT DIR clear|starttls|auth CERT KEY
"""
import asyncio
import ssl
import sys

from aiosmtpd.smtp import SMTP, AuthResult

port, folder, mode, cert, key = sys.argv[1:]
count = 0


class Handler:
    async def handle_RCPT(self, server, session, envelope, address, options):
        if address.startswith("nobody"):
            return "550 no such user here"
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server, session, envelope):
        global count
        if envelope.mail_from.startswith("refuse"):
            return "554 this is not wanted"
        count += 1
        with open(f"{folder}/{count}.eml", "wb") as f:
            f.write(f"X-Tls: {session.ssl is not None}\r\nX-Rcpt: {' '.join(envelope.rcpt_tos)}\r\n".encode())
            f.write(envelope.content)
        return "250 OK"


def login(server, session, envelope, mechanism, data):
    return AuthResult(success=data.login == b"bot" and data.password == b"bot-pw", handled=False)


def smtp():
    if mode == "clear":
        return SMTP(Handler())
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(cert, key)
    auth = mode == "auth"
    return SMTP(Handler(), tls_context=context, require_starttls=True, auth_required=auth, authenticator=login if auth else None)


async def main():
    server = await asyncio.get_event_loop().create_server(smtp, "127.0.0.1", int(port))
    await server.serve_forever()


asyncio.run(main())
