"""Thespian: a process per actor. python -m benchmarks.actors.thespian_actors ACTIVITY WIDTH SECONDS"""

import sys

from thespian.actors import Actor, ActorSystem

from benchmarks.actors.measuring import blocking_rate, report


class Target(Actor):
    def receiveMessage(self, message: object, sender: object) -> None:  # noqa: N802 - the name is Thespian's
        if isinstance(message, int):
            self.send(sender, message)


def main(_: str, width: int, seconds: float) -> None:
    system = ActorSystem("multiprocTCPBase")
    try:
        target = system.createActor(Target)

        def call_some() -> None:
            for _ in range(width):
                system.tell(target, 1)
            for _ in range(width):
                if system.listen(10) is None:
                    raise TimeoutError("no answer within 10 s")

        value = blocking_rate(call_some, seconds, each=width, between_looks=1)
    finally:
        system.shutdown()
    report(value)  # at the end: a program that has reported is stopped, and its actors have to be gone by then


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), float(sys.argv[3]))
