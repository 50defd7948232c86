/* The same protocol in C, linked to the C library, in two ways:
 *
 * - block, as one would plainly write it: the queue blocks, and nothing is calculated ahead;
 * - poll, as an expert would write it: O_NONBLOCK, both digests are calculated while the peer
 *   works, and a process that receives its own message yields.
 *
 *     plain premise|conclusion block|poll QUEUE ITERATIONS    one side; premise reports as json
 *     plain both QUEUE ITERATIONS                             a process and its child, plainly,
 *                                                             to be timed from start to exit */

#include <errno.h>
#include <fcntl.h>
#include <mqueue.h>
#include <sched.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { SIZE = 32 };

static long own_messages;

static void fail(const char *what)
{
    perror(what);
    exit(1);
}

/* md5 (RFC 1321) of at most 55 bytes, as hex digits. */
static void md5_hex(const char *text, size_t length, char *hex)
{
    static const uint32_t sines[64] = {
        0xd76aa478, 0xe8c7b756, 0x242070db, 0xc1bdceee, 0xf57c0faf, 0x4787c62a, 0xa8304613, 0xfd469501,
        0x698098d8, 0x8b44f7af, 0xffff5bb1, 0x895cd7be, 0x6b901122, 0xfd987193, 0xa679438e, 0x49b40821,
        0xf61e2562, 0xc040b340, 0x265e5a51, 0xe9b6c7aa, 0xd62f105d, 0x02441453, 0xd8a1e681, 0xe7d3fbc8,
        0x21e1cde6, 0xc33707d6, 0xf4d50d87, 0x455a14ed, 0xa9e3e905, 0xfcefa3f8, 0x676f02d9, 0x8d2a4c8a,
        0xfffa3942, 0x8771f681, 0x6d9d6122, 0xfde5380c, 0xa4beea44, 0x4bdecfa9, 0xf6bb4b60, 0xbebfbc70,
        0x289b7ec6, 0xeaa127fa, 0xd4ef3085, 0x04881d05, 0xd9d4d039, 0xe6db99e5, 0x1fa27cf8, 0xc4ac5665,
        0xf4292244, 0x432aff97, 0xab9423a7, 0xfc93a039, 0x655b59c3, 0x8f0ccc92, 0xffeff47d, 0x85845dd1,
        0x6fa87e4f, 0xfe2ce6e0, 0xa3014314, 0x4e0811a1, 0xf7537e82, 0xbd3af235, 0x2ad7d2bb, 0xeb86d391,
    };
    uint32_t block[16] = {0}, state[4] = {0x67452301, 0xefcdab89, 0x98badcfe, 0x10325476};
    uint32_t a = state[0], b = state[1], c = state[2], d = state[3];

    memcpy(block, text, length);
    ((unsigned char *)block)[length] = 0x80;
    block[14] = (uint32_t)length * 8;
    /* gcc -O3 unrolls loops of 16 rounds, and knows all indices and shifts then. */
#define ROUNDS(FROM, F, WORD, S0, S1, S2, S3)                                                      \
    for (int i = 0; i < 16; i++) {                                                                 \
        static const int shifts[4] = {S0, S1, S2, S3};                                             \
        uint32_t f = (F) + a + sines[FROM + i] + block[(WORD) % 16];                               \
        a = d, d = c, c = b;                                                                       \
        b += f << shifts[i % 4] | f >> (32 - shifts[i % 4]);                                       \
    }
    ROUNDS(0, (b & c) | (~b & d), i, 7, 12, 17, 22)
    ROUNDS(16, (d & b) | (~d & c), 5 * i + 1, 5, 9, 14, 20)
    ROUNDS(32, b ^ c ^ d, 3 * i + 5, 4, 11, 16, 23)
    ROUNDS(48, c ^ (b | ~d), 7 * i, 6, 10, 15, 21)
    state[0] += a, state[1] += b, state[2] += c, state[3] += d;
    for (int i = 0; i < 16; i++) {
        unsigned char byte = ((unsigned char *)state)[i];
        hex[2 * i] = "0123456789abcdef"[byte >> 4];
        hex[2 * i + 1] = "0123456789abcdef"[byte & 15];
    }
}

static void say(mqd_t queue, const char *own, size_t length)
{
    while (mq_send(queue, own, length, 0) != 0)
        if (errno != EAGAIN)
            fail("mq_send");
}

/* True if the message is this one. */
static int is(const char *message, size_t length, const char *other, size_t other_length)
{
    return length == other_length && memcmp(message, other, length) == 0;
}

static void check(int is_expected)
{
    if (!is_expected) {
        fprintf(stderr, "message corrupted\n");
        exit(1);
    }
}

/* Plain: the next message of the peer. The process's own message is sent back, and the CPU yielded
 * if `yields`. */
static size_t hear(mqd_t queue, const char *own, size_t own_length, char *heard, int yields)
{
    for (;;) {
        ssize_t length = mq_receive(queue, heard, SIZE, NULL);
        if (length < 0)
            fail("mq_receive");
        if (!is(heard, (size_t)length, own, own_length))
            return (size_t)length;
        own_messages++;
        say(queue, own, own_length);
        if (yields)
            sched_yield();
    }
}

/* What happens after each reply. */
typedef void after_reply(void);

static void nothing(void) {}

static void talk_plainly(mqd_t queue, char *own, size_t length, long iterations, int yields,
                         after_reply *after)
{
    char heard[SIZE], expected[SIZE];

    for (long i = 0; i < iterations; i++) {
        size_t heard_length = hear(queue, own, length, heard, yields);
        if (length > 0) { /* all but the first message of conclusion */
            md5_hex(own, length, expected);
            check(is(heard, heard_length, expected, SIZE));
        }
        md5_hex(heard, heard_length, own);
        length = SIZE;
        say(queue, own, length);
        after();
    }
}

static void talk_like_an_expert(mqd_t queue, char *own, size_t length, long iterations,
                                after_reply *after)
{
    char heard[SIZE], expected[SIZE], answer[SIZE];
    int shares_cpu = 0;
    unsigned empty = 0;

    if (length > 0) {
        md5_hex(own, length, expected);
        md5_hex(expected, SIZE, answer);
    }
    for (long i = 0; i < iterations;) {
        ssize_t heard_length = mq_receive(queue, heard, SIZE, NULL);
        if (heard_length < 0) {
            if (errno != EAGAIN)
                fail("mq_receive");
            shares_cpu = 0;
            if (++empty % 32 == 0)
                sched_yield();
            continue;
        }
        if (length == 0) {
            md5_hex(heard, (size_t)heard_length, own);
        } else if (is(heard, (size_t)heard_length, expected, SIZE)) {
            memcpy(own, answer, SIZE);
        } else {
            check(is(heard, (size_t)heard_length, own, length));
            own_messages++;
            shares_cpu = 1;
            say(queue, own, length);
            sched_yield();
            continue;
        }
        length = SIZE;
        say(queue, own, length);
        after();
        i++;
        empty = 0;
        md5_hex(own, SIZE, expected);
        md5_hex(expected, SIZE, answer);
        if (shares_cpu)
            sched_yield();
    }
}

/* The clock after each reply. */
static uint64_t *times;
static long replies;

static void note_the_time(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    times[replies++] = (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

static int in_order(const void *a, const void *b)
{
    uint64_t left = *(const uint64_t *)a, right = *(const uint64_t *)b;
    return (left > right) - (left < right);
}

static void report(void)
{
    static const struct { const char *name; long part; } percentiles[] = {
        {"p50", 5000}, {"p90", 9000}, {"p99", 9900}, {"p99_9", 9990}, {"p99_99", 9999}, {"max", 10000},
    };
    long round_trips = replies - 1;
    double elapsed = (double)(times[round_trips] - times[0]) / 1e9;

    for (long i = 0; i < round_trips; i++)
        times[i] = times[i + 1] - times[i];
    qsort(times, (size_t)round_trips, sizeof *times, in_order);
    printf("{\"iterations\":%ld,\"seconds\":%.9f,\"round_trip_ns\":{", replies, elapsed);
    for (int i = 0; i < 6; i++) {
        /* The smallest value that `part` of ten thousand do not exceed. */
        long place = (round_trips * percentiles[i].part + 9999) / 10000 - 1;
        printf("%s\"%s\":%lu", i > 0 ? "," : "", percentiles[i].name, (unsigned long)times[place]);
    }
    printf("},\"own_messages\":%ld}\n", own_messages);
}

static mqd_t create(const char *name, int flags)
{
    struct mq_attr attributes = {.mq_maxmsg = 10, .mq_msgsize = SIZE};
    mqd_t queue = mq_open(name, O_RDWR | O_CREAT | O_EXCL | flags, 0600, &attributes);

    if (queue == (mqd_t)-1)
        fail("mq_open");
    return queue;
}

static mqd_t wait_and_open(const char *name, int flags)
{
    const struct timespec pause = {.tv_nsec = 1000000};
    mqd_t queue;

    while ((queue = mq_open(name, O_RDWR | flags)) == (mqd_t)-1) {
        if (errno != ENOENT)
            fail("mq_open");
        nanosleep(&pause, NULL);
    }
    return queue;
}

/* Puts the first message into `own` and sends it. */
static size_t begin(mqd_t queue, char *own)
{
    time_t now = time(NULL);
    size_t length = strftime(own, SIZE, "%a %b %e %H:%M:%S %Y", gmtime(&now));

    say(queue, own, length);
    return length;
}

static int one_side(int is_premise, int polls, const char *name, long iterations)
{
    char own[SIZE];
    int flags = polls ? O_NONBLOCK : 0;
    mqd_t queue = is_premise ? create(name, flags) : wait_and_open(name, flags);
    size_t length = is_premise ? begin(queue, own) : 0;
    after_reply *after = is_premise ? note_the_time : nothing;

    if (is_premise) {
        times = malloc((size_t)iterations * sizeof *times);
        if (times == NULL)
            fail("malloc");
        memset(times, 0xff, (size_t)iterations * sizeof *times); /* has the kernel provide it */
    }
    if (polls)
        talk_like_an_expert(queue, own, length, iterations, after);
    else
        talk_plainly(queue, own, length, iterations, 0, after);
    if (is_premise) {
        mq_unlink(name);
        report();
    }
    return 0;
}

/* Yields when it receives its own message: otherwise most of the time would be the rest of a time
 * slice. */
static int both_sides(const char *name, long iterations)
{
    char own[SIZE];
    int status = 0;
    mqd_t queue = create(name, 0);
    pid_t child = fork();

    if (child < 0)
        fail("fork");
    size_t length = child > 0 ? begin(queue, own) : 0;
    talk_plainly(queue, own, length, iterations, 1, nothing);
    printf("%s: iterations: %ld\n", child > 0 ? "premise" : "conclusion", iterations);
    if (child == 0)
        return 0;
    mq_unlink(name);
    waitpid(child, &status, 0);
    return status != 0;
}

int main(int argc, char **argv)
{
    if (argc == 4 && strcmp(argv[1], "both") == 0)
        return both_sides(argv[2], atol(argv[3]));
    if (argc == 5)
        return one_side(strcmp(argv[1], "premise") == 0, strcmp(argv[2], "poll") == 0, argv[3],
                        atol(argv[4]));
    fprintf(stderr, "usage: plain premise|conclusion block|poll QUEUE ITERATIONS\n"
                    "       plain both QUEUE ITERATIONS\n");
    return 2;
}
