package interop;

import java.util.HashSet;
import java.util.Set;
import org.apache.rocketmq.client.consumer.DefaultMQPushConsumer;
import org.apache.rocketmq.client.producer.DefaultMQProducer;
import org.apache.rocketmq.common.message.MessageExt;

/** The first program of everybody: 1,000 messages to a new topic, and a push consumer that gets each of them once. */
final class Quickstart {

    private static final int COUNT = 1000;

    private Quickstart() {
    }

    static String run(Run run) throws Exception {
        DefaultMQProducer producer = run.producer();
        Set<String> sent = new HashSet<>();
        Set<String> ids = new HashSet<>();
        for (int i = 0; i < COUNT; i++) {
            String body = "Hello RocketMQ " + i;
            ids.add(Run.sendOk(producer.send(run.message(body))).getMsgId());
            sent.add(body);
        }
        Run.checkEquals(COUNT, ids.size(), "number of distinct message ids");

        Inbox inbox = new Inbox();
        DefaultMQPushConsumer consumer = run.pushConsumer(run.group);
        consumer.subscribe(run.topic, "*");
        consumer.registerMessageListener(inbox.concurrently());
        consumer.start();
        inbox.expectExactly(sent, "messages of " + run.topic);
        for (MessageExt message : inbox.messages()) {
            Run.check(ids.contains(message.getMsgId()), "id of no send: " + message);
        }
        consumer.shutdown();
        producer.shutdown();
        return COUNT + " messages";
    }
}
