package interop;

import java.util.HashSet;
import java.util.List;
import java.util.Set;
import org.apache.rocketmq.client.consumer.DefaultMQPushConsumer;
import org.apache.rocketmq.client.producer.DefaultMQProducer;
import org.apache.rocketmq.common.consumer.ConsumeFromWhere;
import org.apache.rocketmq.common.message.MessageQueue;

/**
 * A new group with the default start, "last offset", gets the messages of a young topic from the first one on: the one
 * that created the topic, before the group had any queue, and those into queues that were empty until then.
 */
final class FirstMessage {

    private FirstMessage() {
    }

    static String run(Run run) throws Exception {
        Inbox inbox = new Inbox();
        DefaultMQPushConsumer consumer = run.pushConsumer(run.group);
        consumer.setConsumeFromWhere(ConsumeFromWhere.CONSUME_FROM_LAST_OFFSET);
        consumer.subscribe(run.topic, "*");
        consumer.registerMessageListener(inbox.concurrently());
        consumer.start();

        // The topic does not exist while the consumer starts: this message creates it.
        DefaultMQProducer producer = run.producer();
        List<MessageQueue> queues = run.createTopic(producer);
        Set<String> sent = new HashSet<>(Set.of("first"));
        inbox.expectExactly(sent, "the message that created the topic");
        for (MessageQueue queue : queues) {
            Run.sendOk(producer.send(run.message("first in " + queue), queue));
            sent.add("first in " + queue);
        }
        inbox.expectExactly(sent, "the first message of each queue");
        consumer.shutdown();
        producer.shutdown();
        return queues.size() + " queues";
    }
}
