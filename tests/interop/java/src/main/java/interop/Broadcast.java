package interop;

import java.util.HashSet;
import java.util.Set;
import org.apache.rocketmq.client.consumer.DefaultMQPushConsumer;
import org.apache.rocketmq.client.producer.DefaultMQProducer;

/** Two members of a broadcasting group both get everything. */
final class Broadcast {

    private static final int COUNT = 100;

    private Broadcast() {
    }

    static String run(Run run) throws Exception {
        DefaultMQProducer producer = run.producer();
        run.createTopic(producer);
        Inbox one = new Inbox();
        Inbox two = new Inbox();
        DefaultMQPushConsumer first = broadcastConsumer(run, one);
        DefaultMQPushConsumer second = broadcastConsumer(run, two);
        Set<String> sent = new HashSet<>(Set.of("first"));
        for (int i = 0; i < COUNT; i++) {
            Run.sendOk(producer.send(run.message("broadcast " + i)));
            sent.add("broadcast " + i);
        }
        one.expectExactly(sent, "messages at the first member");
        two.expectExactly(sent, "messages at the second member");
        first.shutdown();
        second.shutdown();
        producer.shutdown();
        return sent.size() + " messages at both";
    }

    private static DefaultMQPushConsumer broadcastConsumer(Run run, Inbox inbox) throws Exception {
        DefaultMQPushConsumer consumer = run.pushConsumer(run.group);
        // The enum moved to another package in 5.x, so it cannot be imported here.
        var model = consumer.getMessageModel();
        consumer.setMessageModel(Enum.valueOf(model.getDeclaringClass(), "BROADCASTING"));
        consumer.subscribe(run.topic, "*");
        consumer.registerMessageListener(inbox.concurrently());
        consumer.start();
        return consumer;
    }
}
