package interop;

import java.util.Set;
import org.apache.rocketmq.client.consumer.DefaultMQPushConsumer;
import org.apache.rocketmq.client.producer.DefaultMQProducer;

/** Sends over the "VIP channel", the listener two below the broker's port: the default of clients before 4.5.1. */
final class Vip {

    private Vip() {
    }

    static String run(Run run) throws Exception {
        DefaultMQProducer producer = new DefaultMQProducer("P" + run.group);
        run.configure(producer);
        producer.setVipChannelEnabled(true);
        // As in `Run.producer`: the first send waits for more than itself.
        producer.setSendMsgTimeout(10_000);
        producer.start();
        Run.sendOk(producer.send(run.message("vip")));

        Inbox inbox = new Inbox();
        DefaultMQPushConsumer consumer = run.pushConsumer(run.group);
        consumer.setVipChannelEnabled(true);
        consumer.subscribe(run.topic, "*");
        consumer.registerMessageListener(inbox.concurrently());
        consumer.start();
        inbox.expectExactly(Set.of("vip"), "the message");
        consumer.shutdown();
        producer.shutdown();
        return "1 message";
    }
}
