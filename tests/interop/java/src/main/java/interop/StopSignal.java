package interop;

import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStreamReader;
import java.nio.charset.StandardCharsets;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;

/** The line {@code stop} on standard input, or its end, which also comes when the test dies. */
final class StopSignal {

    private final CountDownLatch given = new CountDownLatch(1);

    StopSignal() {
        Thread reader = new Thread(this::read, "stop-signal");
        reader.setDaemon(true);
        reader.start();
    }

    void await() throws InterruptedException {
        given.await();
    }

    /** Whether it is given within so many milliseconds. */
    boolean within(long millis) throws InterruptedException {
        return given.await(millis, TimeUnit.MILLISECONDS);
    }

    private void read() {
        try (BufferedReader in = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8))) {
            String line = in.readLine();
            while (line != null && !line.trim().equals("stop")) {
                line = in.readLine();
            }
        } catch (IOException endOfInput) {
            // The same as "stop".
        }
        given.countDown();
    }
}
