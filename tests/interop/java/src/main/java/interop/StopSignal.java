package interop;

import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStreamReader;
import java.nio.charset.StandardCharsets;

/** The line {@code stop} on standard input, or its end, which also comes when the test dies. */
final class StopSignal {

    private volatile boolean given;

    StopSignal() {
        Thread reader = new Thread(this::read, "stop-signal");
        reader.setDaemon(true);
        reader.start();
    }

    boolean given() {
        return given;
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
        given = true;
    }
}
