"""Ray: a process per actor. python -m benchmarks.actors.ray_actors ACTIVITY WIDTH SECONDS"""

import sys

import ray

from benchmarks.actors.measuring import blocking_rate, report


class Target:
    def plain(self, value: int) -> int:
        return value


def main(_: str, width: int, seconds: float) -> None:
    ray.init(num_cpus=2, include_dashboard=False, log_to_driver=False)
    target = ray.remote(Target).remote()
    ray.get(target.plain.remote(1))
    value = blocking_rate(lambda: ray.get([target.plain.remote(1) for _ in range(width)]), seconds, each=width)
    ray.shutdown()
    report(value)  # at the end: a program that has reported is stopped, and its actors have to be gone by then


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), float(sys.argv[3]))
