package interop;

import java.util.HashSet;
import java.util.Set;
import org.apache.rocketmq.client.consumer.DefaultMQPushConsumer;
import org.apache.rocketmq.client.producer.DefaultMQProducer;
import org.apache.rocketmq.common.message.Message;

/** A subscription to {@code A || B} sees those tags only, with other tags and untagged messages between them. */
final class Tags {

    private static final int COUNT = 200;
    /** "Aa" and "BB" have the same hash code: the broker's hash filter lets both pass, the client tells them apart. */
    private static final String[] TAGS = {"Aa", "B", "BB", null, "C"};

    private Tags() {
    }

    static String run(Run run) throws Exception {
        DefaultMQProducer producer = run.producer();
        Set<String> wanted = new HashSet<>(send(run, producer, 0, COUNT));
        Inbox inbox = new Inbox();
        DefaultMQPushConsumer consumer = run.pushConsumer(run.group);
        consumer.subscribe(run.topic, "Aa || B");
        consumer.registerMessageListener(inbox.concurrently());
        consumer.start();
        inbox.expectExactly(wanted, "messages with tag Aa or B");

        // The consumer waits at the end by now: filtering for waiting pulls is another path in a broker.
        wanted.addAll(send(run, producer, COUNT, COUNT + TAGS.length));
        inbox.expectExactly(wanted, "later messages with tag Aa or B");
        consumer.shutdown();
        producer.shutdown();
        return wanted.size() + " of " + (COUNT + TAGS.length) + " messages";
    }

    /** Sends messages with all tags by turns; returns those that the subscription wants. */
    private static Set<String> send(Run run, DefaultMQProducer producer, int from, int to) throws Exception {
        Set<String> wanted = new HashSet<>();
        for (int i = from; i < to; i++) {
            String tag = TAGS[i % TAGS.length];
            Message message = run.message(tag + " " + i);
            if (tag != null) {
                message.setTags(tag);
            }
            Run.sendOk(producer.send(message));
            if ("Aa".equals(tag) || "B".equals(tag)) {
                wanted.add(tag + " " + i);
            }
        }
        return wanted;
    }
}
