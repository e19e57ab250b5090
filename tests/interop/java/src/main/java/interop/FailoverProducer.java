package interop;

import org.apache.rocketmq.client.exception.MQBrokerException;
import org.apache.rocketmq.client.exception.MQClientException;
import org.apache.rocketmq.client.producer.DefaultMQProducer;
import org.apache.rocketmq.client.producer.SendResult;
import org.apache.rocketmq.client.producer.SendStatus;
import org.apache.rocketmq.remoting.exception.RemotingException;

/**
 * Sends 100 messages a second until told to stop, whatever happens to the brokers. Prints a JSON line for each
 * acknowledged message, and one with the totals at the end.
 */
final class FailoverProducer {

    private static final long PAUSE_MILLIS = 10;

    private FailoverProducer() {
    }

    static String run(Run run) throws Exception {
        StopSignal stop = new StopSignal();
        DefaultMQProducer producer = new DefaultMQProducer("P" + run.group);
        run.configure(producer);
        producer.setRetryTimesWhenSendFailed(5);
        producer.start();
        int acknowledged = 0;
        int failed = 0;
        for (int i = 0; !stop.within(PAUSE_MILLIS); i++) {
            try {
                SendResult result = producer.send(run.message(String.valueOf(i)));
                if (result.getSendStatus() == SendStatus.SEND_OK) {
                    acknowledged++;
                    System.out.printf("{\"sent\":\"%s\",\"number\":%d,\"broker\":\"%s\",\"queue\":%d,\"offset\":%d}%n",
                        result.getMsgId(), i, result.getMessageQueue().getBrokerName(),
                        result.getMessageQueue().getQueueId(), result.getQueueOffset());
                } else {
                    failed++;
                    System.out.println("not stored safely: " + result);
                }
            } catch (RemotingException | MQClientException | MQBrokerException e) {
                failed++;
                System.out.println("send failed: " + e);
            }
        }
        producer.shutdown();
        System.out.printf("{\"acknowledged\":%d,\"failed\":%d}%n", acknowledged, failed);
        return acknowledged + " acknowledged";
    }
}
