"""Pykka: a thread per actor. python -m benchmarks.actors.pykka_actors ACTIVITY WIDTH SECONDS"""

import sys

import pykka

from benchmarks.actors.measuring import blocking_rate, report


class Target(pykka.ThreadingActor):
    def on_receive(self, message: int) -> int:
        return message


def main(activity: str, width: int, seconds: float) -> None:
    target = Target.start()
    if activity == "send":

        def send_some() -> None:
            for _ in range(1000):
                target.tell(1)
            target.ask(1)

        report(blocking_rate(send_some, seconds, each=1000, between_looks=1))
    else:

        def call_some() -> None:
            pykka.get_all([target.ask(1, block=False) for _ in range(width)])

        report(blocking_rate(call_some, seconds, each=width))
    target.stop()


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), float(sys.argv[3]))
