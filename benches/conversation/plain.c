/* The sketch in C as one would plainly write it, linked to the C library, to be compared
 * with `sketch` from start to exit. One process creates the queue and is premise, its
 * child is conclusion.
 *
 *     plain QUEUE ITERATIONS */

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

/* md5 (RFC 1321) of one block: of 55 bytes at most, as hex digits. */
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
    static const int shifts[4][4] = {{7, 12, 17, 22}, {5, 9, 14, 20}, {4, 11, 16, 23}, {6, 10, 15, 21}};
    uint32_t block[16] = {0}, state[4] = {0x67452301, 0xefcdab89, 0x98badcfe, 0x10325476};
    uint32_t a = state[0], b = state[1], c = state[2], d = state[3];

    memcpy(block, text, length);
    ((unsigned char *)block)[length] = 0x80;
    block[14] = (uint32_t)length * 8;
    for (int i = 0; i < 64; i++) {
        uint32_t f;
        int word;
        switch (i / 16) {
        case 0: f = (b & c) | (~b & d); word = i; break;
        case 1: f = (d & b) | (~d & c); word = 5 * i + 1; break;
        case 2: f = b ^ c ^ d; word = 3 * i + 5; break;
        default: f = c ^ (b | ~d); word = 7 * i;
        }
        f += a + sines[i] + block[word % 16];
        a = d, d = c, c = b;
        int shift = shifts[i / 16][i % 4];
        b += f << shift | f >> (32 - shift);
    }
    state[0] += a, state[1] += b, state[2] += c, state[3] += d;
    for (int i = 0; i < 16; i++)
        sprintf(hex + 2 * i, "%02x", ((unsigned char *)state)[i]);
}

static void fail(const char *what)
{
    perror(what);
    exit(1);
}

static void say(mqd_t queue, const char *own, size_t length)
{
    if (mq_send(queue, own, length, 0) != 0)
        fail("mq_send");
}

/* The next message of the peer. The process's own message is sent back, and the CPU yielded. */
static size_t hear(mqd_t queue, const char *own, size_t own_length, char *heard)
{
    for (;;) {
        ssize_t length = mq_receive(queue, heard, SIZE, NULL);
        if (length < 0)
            fail("mq_receive");
        if ((size_t)length != own_length || memcmp(heard, own, own_length) != 0)
            return (size_t)length;
        say(queue, own, own_length);
        sched_yield();
    }
}

static void talk(mqd_t queue, char *own, size_t length, int is_premise, long iterations)
{
    char heard[SIZE], expected[SIZE + 1];

    for (long i = 0; i < iterations; i++) {
        size_t heard_length = hear(queue, own, length, heard);
        if (i > 0 || is_premise) {
            md5_hex(own, length, expected);
            if (heard_length != SIZE || memcmp(heard, expected, SIZE) != 0) {
                fprintf(stderr, "message corrupted\n");
                exit(1);
            }
        }
        md5_hex(heard, heard_length, own);
        length = SIZE;
        say(queue, own, length);
    }
    printf("%s: iterations: %ld\n", is_premise ? "premise" : "conclusion", iterations);
}

int main(int argc, char **argv)
{
    struct mq_attr attributes = {.mq_maxmsg = 10, .mq_msgsize = SIZE};
    char own[SIZE + 1] = "";
    int status = 0;

    if (argc != 3) {
        fprintf(stderr, "usage: plain QUEUE ITERATIONS\n");
        return 2;
    }
    mqd_t queue = mq_open(argv[1], O_RDWR | O_CREAT | O_EXCL, 0600, &attributes);
    if (queue == (mqd_t)-1)
        fail("mq_open");
    pid_t child = fork();
    if (child < 0)
        fail("fork");
    if (child == 0) {
        talk(queue, own, 0, 0, atol(argv[2]));
        return 0;
    }
    time_t now = time(NULL);
    strftime(own, sizeof own, "%a %b %e %H:%M:%S %Y", gmtime(&now));
    say(queue, own, strlen(own));
    talk(queue, own, strlen(own), 1, atol(argv[2]));
    mq_unlink(argv[1]);
    waitpid(child, &status, 0);
    return status != 0;
}
