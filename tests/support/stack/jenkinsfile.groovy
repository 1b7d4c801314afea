// Runs a declarative Jenkinsfile with Groovy alone: the directives and steps that the example uses, and no others.
// It is no Jenkins. Parameters come as PARAM_<name>, credentials as CREDENTIAL_<id>, the answer to an input as ANSWER.
import org.codehaus.groovy.control.CompilerConfiguration

class Failed extends Exception {
    Failed(String why) { super(why) }
}

class Directive {
    static void run(Closure body, Object delegate) {
        body.resolveStrategy = Closure.DELEGATE_FIRST
        body.delegate = delegate
        body()
    }
}

class Agent {
    void label(String name) { println "agent $name" }
}

class Options {
    void disableConcurrentBuilds() { }
    void timeout(Map length) { println "at most $length.time $length.unit" }
}

class Parameters {
    Map values
    void booleanParam(Map one) {
        String given = System.getenv("PARAM_$one.name")
        values[one.name] = given == null ? one.defaultValue : given == 'true'
    }
}

class Environment {
    Map variables
    void setProperty(String name, Object value) { variables[name] = value }
    String credentials(String id) {
        System.getenv("CREDENTIAL_$id".toString()) ?: { throw new Failed("there is no credential $id") }()
    }
}

class Conditions {
    List<Closure> expressions = []
    void beforeInput(boolean asks) { assert asks }
    void expression(Closure one) { expressions << one }
}

class Input {
    void message(String text) {
        println "input: $text"
        if (System.getenv('ANSWER') != 'approve') { throw new Failed('the input was aborted') }
    }
}

class Stage {
    Conditions conditions = new Conditions()
    Closure question = { }
    Closure body
    void when(Closure one) { Directive.run(one, conditions) }
    void input(Closure one) { question = one }
    void steps(Closure one) { body = one }
    void play() {
        if (conditions.expressions.every { it() }) {
            Directive.run(question, new Input())
            body()
        } else {
            println 'skipped by when'
        }
    }
}

class Stages {
    void stage(String name, Closure body) {
        println "[$name]"
        Stage one = new Stage()
        Directive.run(body, one)
        one.play()
    }
}

class Post {
    void always(Closure steps) { steps() }
}

abstract class Jenkins extends Script {
    Map variables = new HashMap(System.getenv())
    boolean failed = false

    void agent(Closure body) { Directive.run(body, new Agent()) }
    void options(Closure body) { Directive.run(body, new Options()) }
    void parameters(Closure body) { Directive.run(body, new Parameters(values: binding.params)) }
    void environment(Closure body) { Directive.run(body, new Environment(variables: variables)) }
    void post(Closure body) { Directive.run(body, new Post()) }
    void echo(String text) { println text }

    void stages(Closure body) {
        try {
            Directive.run(body, new Stages())
        } catch (Failed failure) {
            failed = true
            println "ERROR: $failure.message"
        }
    }

    void sh(String script) {
        ProcessBuilder builder = new ProcessBuilder('sh', '-xe', '-c', script).inheritIO()
        builder.environment().putAll(variables)
        int code = builder.start().waitFor()
        if (code != 0) { throw new Failed("script returned exit code $code") }
    }

    void pipeline(Closure body) {
        body()
        println "Finished: ${failed ? 'FAILURE' : 'SUCCESS'}"
        System.exit(failed ? 1 : 0)
    }
}

CompilerConfiguration settings = new CompilerConfiguration(scriptBaseClass: Jenkins.name)
new GroovyShell(Jenkins.classLoader, new Binding(params: [:]), settings).evaluate(new File(args[0]))
