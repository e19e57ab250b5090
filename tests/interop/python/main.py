"""Runs one scenario with Apache's Python client: main.py NAMESRV SCENARIO TOPIC GROUP.

Prints "ok SCENARIO …" and ends with 0, or what was wrong and 1.
"""

import os
import sys
import threading

from rocketmq.client import Message, Producer, PullConsumer, PushConsumer

WATCHDOG_SECONDS = 120
COUNT = 50


class Run:
    def __init__(self, namesrv, topic, group):
        self.namesrv = namesrv
        self.topic = topic
        self.group = group

    def message(self, tag, body):
        message = Message(self.topic)
        message.set_tags(tag)
        message.set_keys(body.replace(" ", "-"))
        message.set_property("origin", "python")
        message.set_body(body)
        return message

    def send(self, tag, bodies, how=Producer.send_sync):
        producer = Producer("P" + self.group)
        producer.set_namesrv_addr(self.namesrv)
        producer.start()
        for body in bodies:
            how(producer, self.message(tag, body))
        producer.shutdown()

    def receive(self, expression, expected, orderly=False):
        """Consumes until all bodies came; returns them in the order in which they did."""
        came, all_came = [], threading.Event()

        def consume(message):
            came.append(message.body.decode())
            if set(expected) <= set(came):
                all_came.set()

        consumer = PushConsumer(self.group, orderly=orderly)
        consumer.set_namesrv_addr(self.namesrv)
        consumer.subscribe(self.topic, consume, expression)
        consumer.start()
        all_came.wait(WATCHDOG_SECONDS)
        consumer.shutdown()
        if sorted(came) != sorted(expected):
            raise AssertionError(f"expected {len(expected)} messages, received {len(came)}: {came}")
        return came


def bodies(tag):
    return [f"{tag} 你好 {n}" for n in range(COUNT)]


def tags(run):
    run.send("A", bodies("A"))
    run.send("B", bodies("B"))
    run.receive("A", bodies("A"))
    return f"{COUNT} messages"


def oneway(run):
    # The first one makes the topic.
    run.send("A", ["first"])
    run.send("A", bodies("A"), Producer.send_oneway)
    run.receive("*", ["first"] + bodies("A"))
    return f"{COUNT} messages"


def order(run):
    def to_one_queue(producer, message):
        producer.send_orderly(message, 0)

    run.send("A", bodies("A"), to_one_queue)
    came = run.receive("*", bodies("A"), orderly=True)
    if came != bodies("A"):
        raise AssertionError(f"out of order: {came}")
    return f"{COUNT} messages in order"


def pull(run):
    run.send("A", bodies("A"))
    consumer = PullConsumer(run.group)
    consumer.set_namesrv_addr(run.namesrv)
    consumer.start()
    pulled = sorted(message.body.decode() for message in consumer.pull(run.topic))
    consumer.shutdown()
    if pulled != sorted(bodies("A")):
        raise AssertionError(f"pulled {len(pulled)} messages: {pulled}")
    return f"{COUNT} messages"


SCENARIOS = {scenario.__name__: scenario for scenario in (tags, oneway, order, pull)}


def give_up(scenario):
    print(f"failed {scenario}: not done after {WATCHDOG_SECONDS} s", flush=True)
    os._exit(1)


def main():
    if len(sys.argv) != 5 or sys.argv[2] not in SCENARIOS:
        print(f"usage: main.py NAMESRV SCENARIO TOPIC GROUP; scenarios: {' '.join(SCENARIOS)}")
        return 1
    namesrv, scenario, topic, group = sys.argv[1:]
    watchdog = threading.Timer(WATCHDOG_SECONDS, give_up, [scenario])
    watchdog.daemon = True
    watchdog.start()
    try:
        done = SCENARIOS[scenario](Run(namesrv, topic, group))
    except Exception as problem:
        print(f"failed {scenario}: {problem!r}")
        return 1
    print(f"ok {scenario} {done}", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
