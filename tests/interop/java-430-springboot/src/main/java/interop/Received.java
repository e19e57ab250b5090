package interop;

import java.nio.charset.StandardCharsets;
import java.util.List;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import org.apache.rocketmq.common.message.MessageExt;
import org.springframework.stereotype.Component;

/** What the consumer has seen so far, and whether it was right. */
@Component
class Received {

    private final Set<String> bodies = ConcurrentHashMap.newKeySet();
    private final List<String> wrong = new CopyOnWriteArrayList<>();
    private final CountDownLatch missing = new CountDownLatch(Messages.COUNT);

    /** A message seen before is no error: delivery is "at least once". */
    void add(MessageExt message) {
        String body = new String(message.getBody(), StandardCharsets.UTF_8);
        int number = numberOf(message.getKeys());
        if (number < 0 || !body.equals(Messages.body(number)) || !Messages.TAG.equals(message.getTags())) {
            wrong.add(message + " body " + body);
        } else if (bodies.add(body)) {
            missing.countDown();
        }
    }

    boolean await(long time, TimeUnit unit) throws InterruptedException {
        return missing.await(time, unit);
    }

    int count() {
        return bodies.size();
    }

    List<String> wrong() {
        return wrong;
    }

    private static int numberOf(String keys) {
        for (int i = 0; i < Messages.COUNT; i++) {
            if (Messages.keys(i).equals(keys)) {
                return i;
            }
        }
        return -1;
    }
}
