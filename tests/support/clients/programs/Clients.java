import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpRequest.BodyPublisher;
import java.net.http.HttpRequest.BodyPublishers;
import java.net.http.HttpResponse.BodyHandlers;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.function.Function;

/**
 * What Java's own HttpClient makes of a server and a collector. Its default asks each plain-HTTP server to upgrade to
 * HTTP/2 with the first request. Prints one JSON object a line, like the other programs here.
 *
 * <p>java Clients.java SERVER-URL SERVER-BODY COLLECTOR-URL COLLECTOR-BODY TOKEN LIMIT
 */
public class Clients {
    record Side(String name, String url, byte[] body, String token) {}

    interface Case {
        String of(Side side) throws Exception;
    }

    public static void main(String[] given) {
        Side[] sides = {
            new Side("server", given[0], given[1].getBytes(StandardCharsets.UTF_8), ""),
            new Side("collector", given[2], given[3].getBytes(StandardCharsets.UTF_8), given[4]),
        };
        byte[] large = new byte[12 * Integer.parseInt(given[5])];
        Arrays.fill(large, (byte) ' ');
        for (HttpClient.Version version : HttpClient.Version.values()) {
            boolean upgrades = version == HttpClient.Version.HTTP_2;
            String client = upgrades ? "Java HttpClient, as it comes" : "Java HttpClient, HTTP/1.1";
            Function<Side, HttpClient> made = side -> HttpClient.newBuilder().version(version).build();
            told(client, "a body", sides, side -> send(made.apply(side), side, "", whole(side.body)));
            told(client, "a body in chunks", sides, side -> send(made.apply(side), side, "", chunks(side.body)));
            told(client, "two requests on one connection", sides, side -> {
                HttpClient one = made.apply(side);
                return send(one, side, "", whole(side.body)) + ", " + send(one, side, "", whole(side.body));
            });
            told(client, "a body of twelve times the limit, all sent before the answer is read", sides,
                side -> send(made.apply(side), side, "", whole(large)));
            told(client, "a large body to a path that is not there, then a request on the same client", sides, side -> {
                HttpClient one = made.apply(side);
                return send(one, side, "/nothing", whole(large)) + ", " + send(one, side, "", whole(side.body));
            });
        }
    }

    static BodyPublisher whole(byte[] body) {
        return BodyPublishers.ofByteArray(body);
    }

    static BodyPublisher chunks(byte[] body) {
        List<byte[]> parts = new ArrayList<>();
        for (int at = 0; at < body.length; at += 10) {
            parts.add(Arrays.copyOfRange(body, at, Math.min(body.length, at + 10)));
        }
        return BodyPublishers.ofByteArrays(parts);
    }

    static String send(HttpClient client, Side side, String more, BodyPublisher body) throws Exception {
        HttpRequest.Builder request = HttpRequest.newBuilder(URI.create(side.url + more)).timeout(Duration.ofSeconds(30))
            .header("Content-Type", "application/json").POST(body);
        if (!side.token.isEmpty()) {
            request.header("Authorization", "Bearer " + side.token);
        }
        return String.valueOf(client.send(request.build(), BodyHandlers.ofString()).statusCode());
    }

    static void told(String client, String does, Side[] sides, Case what) {
        StringBuilder line = new StringBuilder("{\"client\": \"" + client + "\", \"does\": \"" + does + "\"");
        for (Side side : sides) {
            String answer;
            try {
                answer = what.of(side);
            } catch (Exception error) {
                answer = error.toString().replace('"', '\'').replace('\\', '/');
            }
            line.append(", \"" + side.name + "\": \"" + answer + "\"");
        }
        System.out.println(line + "}");
    }
}
