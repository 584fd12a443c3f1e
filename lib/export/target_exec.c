/* A program that is run for each notice: its text on standard input, what it is
 * about in the environment. No shell, one at a time, and no longer than timeout. */
#include "export/target_priv.h"

#include "export/clock_priv.h"

#include "base/buf.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#define ARGS_MAX (MT_OUTPUT_LIST_MAX + 2)
#define VALUE_MAX 256u
#define COMPLAINT_MAX 160u
#define LISTEN_TURNS 16u
#define LOOK_NS UINT64_C(5000000)
#define TRY_AGAIN 75 /* EX_TEMPFAIL of sysexits.h */

struct mt_target {
    const struct mt_output_config *config;
    const struct mt_target_hooks *hooks;
};

/* A program at work. */
struct child {
    pid_t pid;
    int in;       /* its standard input; -1: closed */
    int complain; /* its standard error */
    char words[COMPLAINT_MAX];
    size_t word_size;
};

static int create(const struct mt_output_config *config, const struct mt_target_hooks *hooks,
                  char *ret_reason, size_t reason_size, struct mt_target **ret_target)
{
    const struct sigaction usual = {.sa_handler = SIG_DFL};
    struct mt_target *target = calloc(1, sizeof(*target));

    if (target == NULL) {
        snprintf(ret_reason, reason_size, "there is no memory for it");
        return -ENOMEM;
    }
    /* who started us may ignore it, and then nobody is told how a program ended */
    (void)sigaction(SIGCHLD, &usual, NULL);
    target->config = config;
    target->hooks = hooks;
    *ret_target = target;
    return 0;
}

static void destroy(struct mt_target *target)
{
    free(target);
}

/* --- starting ------------------------------------------------------------------- */

struct environment {
    char values[8][VALUE_MAX];
    char *list[9];
    size_t count;
};

static void add_variable(struct environment *env, const char *name, struct mt_span value)
{
    char *to = env->values[env->count];
    struct mt_buf b = mt_buf(to, VALUE_MAX - 1);

    mt_buf_put_cstr(&b, name);
    mt_buf_put_escaped(&b, value);
    to[b.size] = '\0';
    env->list[env->count++] = to;
}

static void fill_environment(struct environment *env, const struct mt_document *document)
{
    static const char *const levels[] = {"informational", "low", "medium", "high", "critical"};
    uint8_t time[64];
    struct mt_buf when = mt_buf(time, sizeof(time));

    *env = (struct environment){.count = 0};
    mt_buf_put_time(&when, document->time);
    add_variable(env, "PATH=", mt_span_cstr("/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"));
    add_variable(env, "LANG=", mt_span_cstr("C.UTF-8"));
    add_variable(env, "MAILTAP_ID=", document->id);
    add_variable(env, "MAILTAP_TIME=", mt_buf_span(&when));
    add_variable(env, "MAILTAP_RULE=", document->rule);
    add_variable(env, "MAILTAP_LEVEL=", mt_span_cstr(levels[mt_min_u64(document->level, 4)]));
    add_variable(env, "MAILTAP_CLIENT=", document->key);
}

/* In a process group of its own, with no file but its standard ones and with the
 * signals as a new program has them. */
static int spawn(const struct mt_target *target, const struct mt_document *document, int in, int complain,
                 pid_t *ret_pid)
{
    const struct mt_output_config *config = target->config;
    char *arguments[ARGS_MAX] = {config->address};
    struct environment env;
    posix_spawn_file_actions_t files;
    posix_spawnattr_t attributes;
    sigset_t none;
    sigset_t all;

    for (uint32_t i = 0; i < config->args.count; i++)
        arguments[1 + i] = config->args.items[i];
    fill_environment(&env, document);
    sigemptyset(&none);
    sigfillset(&all);
    posix_spawn_file_actions_init(&files);
    posix_spawnattr_init(&attributes);
    posix_spawn_file_actions_adddup2(&files, in, STDIN_FILENO);
    posix_spawn_file_actions_addopen(&files, STDOUT_FILENO, "/dev/null", O_WRONLY, 0);
    posix_spawn_file_actions_adddup2(&files, complain, STDERR_FILENO);
    posix_spawn_file_actions_addclosefrom_np(&files, STDERR_FILENO + 1);
    posix_spawnattr_setpgroup(&attributes, 0);
    posix_spawnattr_setsigmask(&attributes, &none);
    posix_spawnattr_setsigdefault(&attributes, &all);
    posix_spawnattr_setflags(&attributes,
                             POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
    int error = posix_spawn(ret_pid, config->address, &files, &attributes, arguments, env.list);
    posix_spawnattr_destroy(&attributes);
    posix_spawn_file_actions_destroy(&files);
    return -error;
}

static void close_one(int *fd)
{
    if (*fd >= 0)
        close(*fd);
    *fd = -1;
}

static int start(const struct mt_target *target, const struct mt_document *document, struct child *ret_child)
{
    int in[2] = {-1, -1};
    int complain[2] = {-1, -1};
    int error = 0;

    *ret_child = (struct child){.in = -1, .complain = -1};
    if (pipe2(in, O_CLOEXEC) != 0 || pipe2(complain, O_CLOEXEC) != 0)
        error = -errno;
    if (error == 0)
        error = spawn(target, document, in[0], complain[1], &ret_child->pid);
    close_one(&in[0]);
    close_one(&complain[1]);
    if (error != 0) {
        close_one(&in[1]);
        close_one(&complain[0]);
        return error;
    }
    (void)fcntl(in[1], F_SETFL, O_NONBLOCK);
    (void)fcntl(complain[0], F_SETFL, O_NONBLOCK);
    ret_child->in = in[1];
    ret_child->complain = complain[0];
    return 0;
}

/* --- while it runs --------------------------------------------------------------- */

/* A program that reads only a part of the text, or nothing, is no failure. */
static void feed(struct child *child, struct mt_span *text)
{
    if (child->in < 0)
        return;
    ssize_t n = text->size == 0 ? 0 : write(child->in, text->ptr, text->size);
    if (n > 0)
        *text = mt_span_from(*text, (size_t)n);
    if (text->size == 0 || (n < 0 && errno != EAGAIN && errno != EINTR))
        close_one(&child->in);
}

/* Its first words are kept, the rest is read and forgotten: not more at a time than
 * a pipe holds, so that one who never stops talking does not keep us from the clock. */
static void listen(struct child *child)
{
    char bytes[4096];

    for (unsigned turn = 0; turn < LISTEN_TURNS; turn++) {
        ssize_t n = read(child->complain, bytes, sizeof(bytes));
        if (n <= 0)
            return;
        size_t kept = mt_min_u64((uint64_t)n, sizeof(child->words) - child->word_size);
        memcpy(child->words + child->word_size, bytes, kept);
        child->word_size += kept;
    }
}

static void wait_a_little(const struct child *child)
{
    struct pollfd fds[2] = {
        {.fd = child->in, .events = POLLOUT},
        {.fd = child->complain, .events = POLLIN},
    };
    struct timespec nap = mt_clock_spec(LOOK_NS);

    /* a pipe whose other end is closed is ready at once and for ever */
    if (poll(fds, 2, (int)(LOOK_NS / 1000000)) > 0 && (fds[0].revents & POLLOUT) == 0 &&
        (fds[1].revents & POLLIN) == 0)
        nanosleep(&nap, NULL);
}

/* It stays a zombie, so that its number means nobody else until it is reaped. */
static bool has_ended(const struct child *child)
{
    siginfo_t info = {.si_pid = 0};

    return waitid(P_PID, (id_t)child->pid, &info, WEXITED | WNOHANG | WNOWAIT) == 0 && info.si_pid != 0;
}

/* Until it has ended or its time is up: its status, or -1. */
static int attend(const struct mt_target *target, struct child *child, struct mt_span text)
{
    uint64_t end = mt_clock_steady() + target->config->timeout;
    int status = -1;
    bool is_done = false;

    while (!is_done && mt_clock_steady() < end && !mt_target_is_over(target->hooks)) {
        feed(child, &text);
        listen(child);
        is_done = has_ended(child);
        if (!is_done)
            wait_a_little(child);
    }
    listen(child);
    close_one(&child->in);
    /* also what it has left behind in its group */
    (void)kill(-child->pid, SIGKILL);
    pid_t reaped = waitpid(child->pid, &status, 0);
    close_one(&child->complain);
    return is_done && reaped == child->pid ? status : -1;
}

/* --- what became of it ------------------------------------------------------------ */

static void put_words(const struct child *child, char *to, size_t size)
{
    char space[4 * COMPLAINT_MAX];
    struct mt_buf b = mt_buf(space, sizeof(space));
    struct mt_span words = mt_span(child->words, child->word_size);
    const uint8_t *end = memchr(words.ptr, '\n', words.size);

    mt_buf_put_escaped(&b, end == NULL ? words : mt_span_head(words, (size_t)(end - words.ptr)));
    snprintf(to, size, "%s%.*s", b.size > 0 ? ": " : "", (int)b.size, space);
}

static int judge(const struct mt_target *target, struct mt_batch *batch, size_t index,
                 const struct child *child, int status)
{
    char words[COMPLAINT_MAX + 4];
    char reason[MT_REASON_MAX];

    if (status != -1 && WIFEXITED(status) && WEXITSTATUS(status) == 0) {
        mt_batch_sent(batch, index, index + 1);
        return 0;
    }
    put_words(child, words, sizeof(words));
    if (status != -1 && WIFEXITED(status) && WEXITSTATUS(status) == TRY_AGAIN) {
        snprintf(batch->reason, sizeof(batch->reason), "the program asks to be tried again%s", words);
        return -EAGAIN;
    }
    if (status == -1 && mt_target_is_over(target->hooks)) {
        snprintf(batch->reason, sizeof(batch->reason), "there was no time left for it");
        return -ETIMEDOUT;
    }
    if (status == -1)
        snprintf(reason, sizeof(reason), "the program did not end within %llu ms and was killed%s",
                 (unsigned long long)(target->config->timeout / 1000000), words);
    else if (WIFEXITED(status))
        snprintf(reason, sizeof(reason), "the program ended with %d%s", WEXITSTATUS(status), words);
    else
        snprintf(reason, sizeof(reason), "the program was ended by signal %d%s", WTERMSIG(status), words);
    target->hooks->refuse(target->hooks->ctx, batch, index, reason);
    return 0;
}

static int send_batch(struct mt_target *target, struct mt_batch *batch)
{
    for (size_t i = 0; i < batch->count; i++) {
        struct child child;
        if (batch->states[i] != MT_DOCUMENT_PENDING)
            continue;
        int error = start(target, &batch->documents[i], &child);
        if (error != 0) {
            snprintf(batch->reason, sizeof(batch->reason), "the program can't be started: %s",
                     strerrordesc_np(-error));
            return error;
        }
        error = judge(target, batch, i, &child, attend(target, &child, batch->documents[i].text));
        if (error != 0)
            return error;
    }
    return 0;
}

static int check(struct mt_target *target, char *ret_reason, size_t reason_size)
{
    if (faccessat(AT_FDCWD, target->config->address, X_OK, AT_EACCESS) == 0)
        return 0;
    int error = -errno;
    snprintf(ret_reason, reason_size, "%s can't be run: %s", target->config->address,
             strerrordesc_np(-error));
    return error;
}

const struct mt_target_ops mt_target_exec = {
    .create = create,
    .destroy = destroy,
    .send = send_batch,
    .check = check,
};
