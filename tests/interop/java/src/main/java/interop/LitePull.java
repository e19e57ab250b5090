package interop;

import java.util.HashSet;
import java.util.Set;
import org.apache.rocketmq.client.consumer.DefaultLitePullConsumer;
import org.apache.rocketmq.client.producer.DefaultMQProducer;
import org.apache.rocketmq.common.consumer.ConsumeFromWhere;
import org.apache.rocketmq.common.message.MessageQueue;

/**
 * The lite pull consumer in both its ways: subscribed as member of a group, and with queues assigned by hand. With 5.x
 * clients it asks with LITE_PULL_MESSAGE (361), which Apache's 4.9.4 broker does not know.
 */
final class LitePull {

    private static final int COUNT = 200;

    private LitePull() {
    }

    static String run(Run run) throws Exception {
        DefaultMQProducer producer = run.producer();
        run.createTopic(producer);
        Set<String> sent = new HashSet<>(Set.of("first"));
        for (int i = 0; i < COUNT; i++) {
            Run.sendOk(producer.send(run.message("lite " + i)));
            sent.add("lite " + i);
        }

        DefaultLitePullConsumer subscribed = consumer(run, run.group + "-subscribe");
        subscribed.setConsumeFromWhere(ConsumeFromWhere.CONSUME_FROM_FIRST_OFFSET);
        subscribed.subscribe(run.topic, "*");
        subscribed.start();
        pollAll(subscribed, sent, "messages by subscription");
        subscribed.shutdown();

        DefaultLitePullConsumer assigned = consumer(run, run.group + "-assign");
        assigned.setAutoCommit(false);
        assigned.setConsumeFromWhere(ConsumeFromWhere.CONSUME_FROM_FIRST_OFFSET);
        assigned.start();
        Set<MessageQueue> queues = new HashSet<>(assigned.fetchMessageQueues(run.topic));
        // No seek before the first poll: the client loses what the pull under way brings in the meantime.
        assigned.assign(queues);
        pollAll(assigned, sent, "messages by assignment");
        // Back to the start: what was read can be read again.
        for (MessageQueue queue : queues) {
            assigned.seek(queue, 0);
        }
        pollAll(assigned, sent, "messages after seeking back");
        assigned.shutdown();
        producer.shutdown();
        return sent.size() + " messages, three times";
    }

    private static DefaultLitePullConsumer consumer(Run run, String group) {
        DefaultLitePullConsumer consumer = new DefaultLitePullConsumer(group);
        run.configure(consumer);
        return consumer;
    }

    private static void pollAll(DefaultLitePullConsumer consumer, Set<String> expected, String what) throws Exception {
        Inbox inbox = new Inbox();
        Run.await(what, () -> {
            inbox.add(consumer.poll(500));
            return inbox.size() >= expected.size();
        });
        inbox.expectExactly(expected, what);
    }
}
