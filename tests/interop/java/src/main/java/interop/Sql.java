package interop;

import java.util.HashSet;
import java.util.Set;
import org.apache.rocketmq.client.consumer.DefaultMQPushConsumer;
import org.apache.rocketmq.client.consumer.MessageSelector;
import org.apache.rocketmq.client.exception.MQClientException;
import org.apache.rocketmq.client.producer.DefaultMQProducer;
import org.apache.rocketmq.common.message.Message;

/** A condition over properties decides in the broker what a consumer gets; a wrong one does not start it. */
final class Sql {

    private static final int COUNT = 200;
    private static final String CONDITION =
        "(TAGS is not null and TAGS in ('A', 'B')) and (number between 20 and 150) and (colour <> 'red' or big = TRUE)";

    private Sql() {
    }

    static String run(Run run) throws Exception {
        DefaultMQProducer producer = run.producer();
        Set<String> wanted = new HashSet<>(send(run, producer, 0, COUNT));
        Inbox inbox = new Inbox();
        DefaultMQPushConsumer consumer = run.pushConsumer(run.group);
        consumer.subscribe(run.topic, MessageSelector.bySql(CONDITION));
        consumer.registerMessageListener(inbox.concurrently());
        consumer.start();
        inbox.expectExactly(wanted, "messages that satisfy the condition");

        // The consumer waits at the end by now: filtering for waiting pulls is another path in a broker.
        int atEnd = inbox.size();
        wanted.addAll(send(run, producer, 20, 60));
        Run.await("later messages", () -> inbox.size() > atEnd
            && Set.copyOf(inbox.bodies().subList(atEnd, inbox.size())).size() == satisfying(20, 60));
        Run.checkSameMembers(wanted, inbox.bodies(), "messages that satisfy the condition");
        consumer.shutdown();

        DefaultMQPushConsumer wrong = run.pushConsumer(run.group + "-wrong");
        wrong.subscribe(run.topic, MessageSelector.bySql("number between 150 and"));
        wrong.registerMessageListener(inbox.concurrently());
        try {
            wrong.start();
            throw new AssertionError("a consumer with a wrong condition started");
        } catch (MQClientException refused) {
            // As it should be.
        }
        producer.shutdown();
        return atEnd + " of " + COUNT + " messages";
    }

    private static int satisfying(int from, int to) {
        int count = 0;
        for (int i = from; i < to; i++) {
            count += satisfies(i) ? 1 : 0;
        }
        return count;
    }

    private static boolean satisfies(int i) {
        boolean tag = i % 5 == 0 || i % 5 == 1;
        return tag && i >= 20 && i <= 150 && (i % 3 != 0 || i % 2 == 0);
    }

    private static Set<String> send(Run run, DefaultMQProducer producer, int from, int to) throws Exception {
        Set<String> wanted = new HashSet<>();
        for (int i = from; i < to; i++) {
            Message message = run.message("number " + i);
            String tag = new String[] {"A", "B", "C", "D", null}[i % 5];
            if (tag != null) {
                message.setTags(tag);
            }
            message.putUserProperty("number", String.valueOf(i));
            message.putUserProperty("colour", i % 3 == 0 ? "red" : "blue");
            message.putUserProperty("big", String.valueOf(i % 2 == 0));
            Run.sendOk(producer.send(message));
            if (satisfies(i)) {
                wanted.add("number " + i);
            }
        }
        return wanted;
    }
}
