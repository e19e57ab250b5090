package interop;

import java.util.HashSet;
import java.util.Set;
import java.util.stream.Collectors;
import java.util.stream.IntStream;
import org.apache.rocketmq.common.message.Message;
import org.apache.rocketmq.common.message.MessageExt;

/** What {@link StoreWrite} puts into a broker's store, and {@link StoreRead} expects of another broker on that store. */
final class Stored {

    /** Sent and consumed by the group. */
    static final int CONSUMED = 600;
    /** All that were sent: the group has the rest before it. */
    static final int COUNT = 1000;

    /** Above the size from which clients compress bodies. */
    private static final String LONG = " 长消息".repeat(1000);

    private Stored() {
    }

    static Message message(Run run, int i) {
        Message message = run.message(body(i));
        message.setTags(tag(i));
        message.setKeys(key(i));
        message.putUserProperty("number", String.valueOf(i));
        return message;
    }

    static String body(int i) {
        return "stored " + i + (i % 100 == 99 ? LONG : "");
    }

    static String key(int i) {
        return "key-" + i;
    }

    static Set<String> bodies(int from, int to) {
        return IntStream.range(from, to).mapToObj(Stored::body).collect(Collectors.toCollection(HashSet::new));
    }

    static void check(MessageExt message) {
        int i = Integer.parseInt(message.getUserProperty("number"));
        Run.checkEquals(body(i), Inbox.body(message), "body of message " + i);
        Run.checkEquals(tag(i), message.getTags(), "tag of message " + i);
        Run.checkEquals(key(i), message.getKeys(), "keys of message " + i);
    }

    private static String tag(int i) {
        return "tag" + i % 3;
    }
}
