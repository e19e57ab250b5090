package interop;

import java.util.concurrent.TimeUnit;
import org.springframework.boot.SpringApplication;
import org.springframework.boot.autoconfigure.SpringBootApplication;
import org.springframework.context.ConfigurableApplicationContext;

/**
 * Sends 100 messages from one bean and receives them in another, then ends: status 0 when every message came as sent.
 * The beans are written as the tutorials write them; only the checking is ours.
 */
@SpringBootApplication
public class Application {

    /** Counted from the start of the beans; a slow machine needs a few seconds for the two rebalances. */
    private static final long PATIENCE_SECONDS = 110;

    public static void main(String[] args) throws Exception {
        ConfigurableApplicationContext context = SpringApplication.run(Application.class, args);
        Received received = context.getBean(Received.class);
        boolean complete = received.await(PATIENCE_SECONDS, TimeUnit.SECONDS);
        if (complete && received.wrong().isEmpty()) {
            System.out.println("ok springboot " + received.count() + " messages received");
            System.exit(0);
        }
        System.out.println("failed springboot: " + received.count() + " of " + Messages.COUNT
            + " messages received, wrong: " + received.wrong());
        System.exit(1);
    }
}
