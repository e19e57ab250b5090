package interop;

import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import java.util.Set;
import java.util.stream.Collectors;
import org.apache.rocketmq.client.consumer.listener.ConsumeConcurrentlyStatus;
import org.apache.rocketmq.client.consumer.listener.ConsumeOrderlyStatus;
import org.apache.rocketmq.client.consumer.listener.MessageListenerConcurrently;
import org.apache.rocketmq.client.consumer.listener.MessageListenerOrderly;
import org.apache.rocketmq.common.message.MessageExt;

/** What one consumer received, in the order of reception. */
final class Inbox {

    private final List<MessageExt> messages = new ArrayList<>();

    MessageListenerConcurrently concurrently() {
        return (batch, context) -> {
            add(batch);
            return ConsumeConcurrentlyStatus.CONSUME_SUCCESS;
        };
    }

    MessageListenerOrderly orderly() {
        return (batch, context) -> {
            add(batch);
            return ConsumeOrderlyStatus.SUCCESS;
        };
    }

    synchronized void add(List<MessageExt> batch) {
        messages.addAll(batch);
    }

    synchronized List<MessageExt> messages() {
        return new ArrayList<>(messages);
    }

    List<String> bodies() {
        return messages().stream().map(Inbox::body).collect(Collectors.toList());
    }

    synchronized int size() {
        return messages.size();
    }

    /** Waits until all are there, then checks that nothing else came and nothing came twice. */
    void expectExactly(Set<String> expected, String what) throws Exception {
        expectAtLeast(expected, what);
        List<String> bodies = bodies();
        Run.checkSameMembers(expected, bodies, what);
        Run.checkEquals(expected.size(), bodies.size(), "number of messages received, " + what);
    }

    /** Waits until all are there; says which are missing. */
    void expectAtLeast(Set<String> expected, String what) throws Exception {
        try {
            Run.await(what, () -> size() >= expected.size() && Set.copyOf(bodies()).containsAll(expected));
        } catch (AssertionError late) {
            Run.checkSameMembers(expected, bodies(), what);
            throw late;
        }
    }

    static String body(MessageExt message) {
        return new String(message.getBody(), StandardCharsets.UTF_8);
    }
}
