package interop;

import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.atomic.AtomicInteger;
import org.apache.rocketmq.client.consumer.DefaultMQPushConsumer;
import org.apache.rocketmq.client.consumer.listener.ConsumeConcurrentlyStatus;
import org.apache.rocketmq.client.consumer.listener.MessageListenerConcurrently;
import org.apache.rocketmq.common.message.MessageExt;

/** Consumes until told to stop. Prints a JSON line for each message, and one with the totals at the end. */
final class FailoverConsumer {

    private FailoverConsumer() {
    }

    static String run(Run run) throws Exception {
        StopSignal stop = new StopSignal();
        Set<String> distinct = ConcurrentHashMap.newKeySet();
        AtomicInteger received = new AtomicInteger();
        DefaultMQPushConsumer consumer = run.pushConsumer(run.group);
        consumer.subscribe(run.topic, "*");
        consumer.registerMessageListener((MessageListenerConcurrently) (messages, context) -> {
            for (MessageExt message : messages) {
                received.incrementAndGet();
                distinct.add(message.getMsgId());
                System.out.printf("{\"received\":\"%s\",\"body\":\"%s\",\"broker\":\"%s\",\"queue\":%d,\"offset\":%d}%n",
                    message.getMsgId(), Inbox.body(message), context.getMessageQueue().getBrokerName(),
                    message.getQueueId(), message.getQueueOffset());
            }
            return ConsumeConcurrentlyStatus.CONSUME_SUCCESS;
        });
        consumer.start();
        stop.await();
        consumer.shutdown();
        System.out.printf("{\"received_total\":%d,\"distinct\":%d}%n", received.get(), distinct.size());
        return distinct.size() + " distinct";
    }
}
