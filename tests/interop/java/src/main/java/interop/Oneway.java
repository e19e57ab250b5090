package interop;

import java.util.HashSet;
import java.util.Set;
import org.apache.rocketmq.client.consumer.DefaultMQPushConsumer;
import org.apache.rocketmq.client.producer.DefaultMQProducer;

/** Sends that are not answered arrive all the same. */
final class Oneway {

    private static final int COUNT = 100;

    private Oneway() {
    }

    static String run(Run run) throws Exception {
        DefaultMQProducer producer = run.producer();
        run.createTopic(producer);
        Set<String> sent = new HashSet<>(Set.of("first"));
        for (int i = 0; i < COUNT; i++) {
            String body = "oneway " + i;
            producer.sendOneway(run.message(body));
            sent.add(body);
        }
        Inbox inbox = new Inbox();
        DefaultMQPushConsumer consumer = run.pushConsumer(run.group);
        consumer.subscribe(run.topic, "*");
        consumer.registerMessageListener(inbox.concurrently());
        consumer.start();
        inbox.expectExactly(sent, "one-way messages");
        consumer.shutdown();
        producer.shutdown();
        return COUNT + " messages";
    }
}
