package interop;

import java.nio.charset.StandardCharsets;
import javax.annotation.PostConstruct;
import org.apache.rocketmq.client.producer.DefaultMQProducer;
import org.apache.rocketmq.client.producer.SendResult;
import org.apache.rocketmq.client.producer.SendStatus;
import org.apache.rocketmq.common.message.Message;
import org.springframework.beans.factory.annotation.Value;
import org.springframework.stereotype.Component;

/** Sends all messages while the application starts, to a topic that nobody has created. */
@Component
class Producer {

    @Value("${apache.rocketmq.producer.producerGroup}")
    private String producerGroup;

    @Value("${apache.rocketmq.namesrvAddr}")
    private String namesrvAddr;

    @Value("${apache.rocketmq.topic}")
    private String topic;

    @PostConstruct
    public void defaultMQProducer() throws Exception {
        DefaultMQProducer producer = new DefaultMQProducer(producerGroup);
        producer.setNamesrvAddr(namesrvAddr);
        producer.start();
        try {
            for (int i = 0; i < Messages.COUNT; i++) {
                byte[] body = Messages.body(i).getBytes(StandardCharsets.UTF_8);
                SendResult result = producer.send(new Message(topic, Messages.TAG, Messages.keys(i), body));
                if (result.getSendStatus() != SendStatus.SEND_OK) {
                    throw new IllegalStateException("message " + i + " was answered " + result);
                }
            }
        } finally {
            producer.shutdown();
        }
    }
}
