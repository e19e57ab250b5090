package interop;

import java.util.HashSet;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import org.apache.rocketmq.client.consumer.DefaultMQPushConsumer;
import org.apache.rocketmq.client.producer.LocalTransactionState;
import org.apache.rocketmq.client.producer.TransactionListener;
import org.apache.rocketmq.client.producer.TransactionMQProducer;
import org.apache.rocketmq.client.producer.TransactionSendResult;
import org.apache.rocketmq.common.message.Message;
import org.apache.rocketmq.common.message.MessageExt;

/** What is committed comes, at once or when the producer is asked; what is rolled back does not. */
final class Transaction {

    private static final int EACH = 10;

    private Transaction() {
    }

    /** How the transaction of a message ends: its local part says the first, the check-back the second word. */
    private static final String[] ENDS = {"commit", "rollback", "unknown commit", "unknown rollback"};

    static String run(Run run) throws Exception {
        Set<String> asked = ConcurrentHashMap.newKeySet();
        TransactionMQProducer producer = new TransactionMQProducer("P" + run.group);
        run.configure(producer);
        producer.setSendMsgTimeout(10_000);
        producer.setTransactionListener(new TransactionListener() {
            @Override
            public LocalTransactionState executeLocalTransaction(Message message, Object end) {
                return state(((String) end).split(" ")[0]);
            }

            @Override
            public LocalTransactionState checkLocalTransaction(MessageExt message) {
                asked.add(Inbox.body(message));
                return state(message.getUserProperty("end").split(" ")[1]);
            }
        });
        producer.start();
        run.createTopic(producer);

        Inbox inbox = new Inbox();
        DefaultMQPushConsumer consumer = run.pushConsumer(run.group);
        consumer.subscribe(run.topic, "*");
        consumer.registerMessageListener(inbox.concurrently());
        consumer.start();
        Set<String> committed = new HashSet<>(Set.of("first"));
        Set<String> unknown = new HashSet<>();
        for (int i = 0; i < EACH * ENDS.length; i++) {
            String end = ENDS[i % ENDS.length];
            String body = end + " " + i;
            Message message = run.message(body);
            message.setKeys("key" + i);
            message.putUserProperty("end", end);
            TransactionSendResult result = producer.sendMessageInTransaction(message, end);
            Run.sendOk(result);
            Run.checkEquals(state(end.split(" ")[0]), result.getLocalTransactionState(), "state of " + body);
            if (end.endsWith("commit")) {
                committed.add(body);
            }
            if (end.startsWith("unknown")) {
                unknown.add(body);
            }
        }
        Run.await("a question for every unknown end", () -> asked.size() == unknown.size());
        Run.checkEquals(unknown, asked, "messages that were asked for");
        inbox.expectExactly(committed, "committed messages");
        for (MessageExt message : inbox.messages()) {
            if (!Inbox.body(message).equals("first")) {
                Run.checkEquals(message.getMsgId(), message.getTransactionId(), "transaction of " + message);
            }
            Run.checkEquals(run.topic, message.getTopic(), "topic of " + message);
        }
        consumer.shutdown();
        producer.shutdown();
        return committed.size() + " committed, " + unknown.size() + " asked for";
    }

    private static LocalTransactionState state(String word) {
        switch (word) {
            case "commit":
                return LocalTransactionState.COMMIT_MESSAGE;
            case "rollback":
                return LocalTransactionState.ROLLBACK_MESSAGE;
            default:
                return LocalTransactionState.UNKNOW;
        }
    }
}
