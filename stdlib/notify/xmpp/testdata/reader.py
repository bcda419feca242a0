"""A second chat client, for tests: joins a room with slixmpp, prints what it sees as lines of JSON, and takes
commands as lines of JSON: {"do": "configure", "fields": {...}}, {"do": "kick", "nick": ...}, {"do": "say", "text": ...}.

usage: reader.py HOST PORT JID PASSWORD ROOM NICK
"""
import asyncio
import json
import logging
import ssl
import sys

from slixmpp import ClientXMPP, JID

host, port, jid, password, room, nick = sys.argv[1:]


def tell(**what):
    print(json.dumps(what), flush=True)


class Reader(ClientXMPP):
    def __init__(self):
        super().__init__(jid, password)
        for plugin in ("xep_0030", "xep_0004", "xep_0045", "xep_0199"):
            self.register_plugin(plugin)
        self.ssl_context.check_hostname = False
        self.ssl_context.verify_mode = ssl.CERT_NONE
        self.add_event_handler("session_start", self.begin)
        self.add_event_handler("groupchat_message", self.heard)
        self.add_event_handler(f"muc::{room}::got_online", lambda p: tell(here=p["muc"]["nick"]))
        self.add_event_handler(f"muc::{room}::got_offline", lambda p: tell(gone=p["muc"]["nick"]))

    async def begin(self, _):
        self.send_presence()
        muc = self.plugin["xep_0045"]
        try:
            await muc.join_muc_wait(JID(room), nick, maxstanzas=0, timeout=20)
        except Exception as e:
            tell(error=repr(e))
            return
        tell(joined=True)
        loop = asyncio.get_event_loop()
        while line := await loop.run_in_executor(None, sys.stdin.readline):
            try:
                await self.do(muc, json.loads(line))
                tell(did=True)
            except Exception as e:
                tell(error=repr(e))
        await self.disconnect(wait=1)

    async def do(self, muc, c):
        if c["do"] == "configure":
            form = await muc.get_room_config(JID(room))
            form.set_values(c["fields"])
            await muc.set_room_config(JID(room), form)
        elif c["do"] == "kick":
            await muc.set_role(JID(room), c["nick"], "none")
        elif c["do"] == "say":
            self.send_message(JID(room), c["text"], mtype="groupchat")

    def heard(self, m):
        if "{urn:xmpp:delay}delay" in [c.tag for c in m.xml]:
            return
        tell(nick=m["mucnick"], body=m["body"], type=m["type"])


logging.basicConfig(level=logging.ERROR)
reader = Reader()
reader.connect((host, int(port)))
reader.process(forever=False)
