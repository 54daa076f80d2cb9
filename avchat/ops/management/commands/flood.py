"""x"""
import json
from django.core.management.base import BaseCommand
from avchat.ops.load.fleet import Fleet
from avchat.ops.load.plan import *
class Command(BaseCommand):
    def add_arguments(self, p):
        p.add_argument("--port", type=int); p.add_argument("--site"); p.add_argument("--secret"); p.add_argument("--members", type=int); p.add_argument("--transport", default="ws")
        p.add_argument("--rate", type=float, default=0); p.add_argument("--processes", type=int, default=1); p.add_argument("--hold", type=float, default=0); p.add_argument("--at-once", type=int, default=50); p.add_argument("--prefix", default="load"); p.add_argument("--talk", type=float, default=0); p.add_argument("--group", type=int, default=2)
    def handle(self, **o):
        import time
        capacity()
        plan = Plan(host="127.0.0.1", port=o["port"], site=o["site"], secret=o["secret"], members=o["members"], transport=o["transport"], come_rate=o["rate"], processes=o["processes"], at_once=o["at_once"], prefix=o["prefix"], rate=o["talk"], group=o["group"])
        with Fleet(plan, print) as f:
            t=time.monotonic()
            f.do("come"); d=time.monotonic()-t
            print("come", d, o["members"]/d)
            if o["talk"]:
                t=time.monotonic()
                f.do("open"); print("open", time.monotonic()-t)
                f.do("talk", seconds=o["hold"]); f.do("settle")
            else:
                f.do("hold", seconds=o["hold"])
            f.end()
            print(f.figures.counts, f.faults, f.here)
            for n,h in f.figures.times.items(): print(h.summary(n+"_"))
