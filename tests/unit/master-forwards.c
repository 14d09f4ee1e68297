/* Where calls to users go on: what was set is read back, a broken file costs no more than its
 * broken lines, and what is set comes before the config. */
#include "master-config.h"

#include "common/log.h"
#include "master/forwards.h"

#include <fcntl.h>
#include <sys/mman.h>

static int directory;
static struct forwards_set set;

static void set_up(void)
{
	log_init("test", -1, LOG_ERROR, NULL, NULL);
	setup();
	directory = open(folder, O_RDONLY | O_DIRECTORY);
	cr_assert_geq(directory, 0);
}

static void tear_down(void)
{
	forwards_free(&set);
	close(directory);
	teardown();
}

TestSuite(forwards, .init = set_up, .fini = tear_down);

static int kept(const char *text, mode_t mode)
{
	char file[128];

	forwards_free(&set);
	put_file("forwards", text);
	snprintf(file, sizeof(file), "%s/forwards", folder);
	cr_assert_eq(chmod(file, mode), 0);
	return forwards_load(directory, &set);
}

#define BOB_BUSY "bob\texample.net\tbusy\t0\toperator\tsip:carol@example.net\n"

Test(forwards, nothing_is_kept_at_first)
{
	cr_assert_eq(forwards_load(directory, &set), 0);
	cr_assert_eq(set.count, 0);
}

Test(forwards, lines_are_read)
{
	cr_assert_eq(
		kept(BOB_BUSY "al ice\texample.net\tno-answer\t20\tuser\ttel:+4930123\n", 0600), 0);
	cr_assert_eq(set.count, 2);
	cr_expect_str_eq(set.row[0].user, "bob");
	cr_expect_str_eq(set.row[0].to, "sip:carol@example.net");
	cr_expect_eq(set.row[0].when, FORWARD_BUSY);
	cr_expect_not(set.row[0].by_user);
	cr_expect_str_eq(set.row[1].user, "al ice");
	cr_expect_eq(set.row[1].seconds, 20);
	cr_expect(set.row[1].by_user);
}

Test(forwards, broken_lines_are_left_out)
{
	static const char *const lines[] = {
		"bob\texample.net\tbusy\t0\toperator\n",
		"bob\texample.net\tsometimes\t0\toperator\tsip:carol@example.net\n",
		"bob\texample.net\tbusy\t5\toperator\tsip:carol@example.net\n",
		"bob\texample.net\tno-answer\t0\toperator\tsip:carol@example.net\n",
		"bob\texample.net\tno-answer\t999\toperator\tsip:carol@example.net\n",
		"bob\texample.net\tno-answer\t2x\toperator\tsip:carol@example.net\n",
		"bob\texample.net\tbusy\t0\toperator\tcarol\n",
		"bob\texample.net\tbusy\t0\toperator\tsip:carol@example.net\tmore\n",
		"\texample.net\tbusy\t0\toperator\tsip:carol@example.net\n",
		"bo:b\texample.net\tbusy\t0\toperator\tsip:carol@example.net\n",
		"\n",
	};
	char text[512];

	for (size_t i = 0; i < sizeof(lines) / sizeof(*lines); i++) {
		snprintf(text, sizeof(text), "%s" BOB_BUSY, lines[i]);
		cr_assert_eq(kept(text, 0600), 0);
		cr_expect_eq(set.count, 1, "%s", lines[i]);
	}
}

Test(forwards, a_file_that_others_can_read_is_none_of_ours)
{
	cr_assert_eq(kept(BOB_BUSY, 0644), -EBADMSG);
}

Test(forwards, what_is_set_comes_before_the_config)
{
	struct forward_set gone;
	struct stat st;
	int fd;

	cr_assert_eq(kept(BOB_BUSY, 0600), 0);
	gone = set.row[0];
	put_file("sipward.conf", SANE "forward \"bob@example.net\" { busy = dave away = dave }");
	cr_assert_eq(config_load(path, &c, &errors), 0, "%s", errors.text[0]);
	cr_assert_eq(forwards_build(c, &set, &fd), 0);
	cr_assert_eq(fstat(fd, &st), 0);
	const struct forwards *f = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_SHARED, fd, 0);
	cr_assert_neq(f, MAP_FAILED);
	cr_assert_eq(forwards_check(f, (size_t)st.st_size), 0);
	cr_assert_eq(f->count, 2);
	const struct forward_row *row = forwards_find(f, 0, S("bob"), FORWARD_BUSY);
	cr_assert_not_null(row);
	cr_expect(str_equal((struct str){row->to, row->to_length}, S("sip:carol@example.net")));
	row = forwards_find(f, 0, S("bob"), FORWARD_AWAY);
	cr_assert_not_null(row);
	cr_expect(str_equal((struct str){row->to, row->to_length}, S("sip:dave@example.net")));
	cr_expect_null(forwards_find(f, 0, S("bob"), FORWARD_ALWAYS));
	munmap((void *)f, (size_t)st.st_size);
	close(fd);
	/* of a domain that there is no more nothing is told */
	strcpy(gone.domain, "example.org");
	set.row[0] = gone;
	c->forward_count = 0;
	cr_assert_eq(forwards_build(c, &set, &fd), 0);
	cr_assert_eq(fstat(fd, &st), 0);
	f = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_SHARED, fd, 0);
	cr_assert_neq(f, MAP_FAILED);
	cr_expect_eq(f->count, 0);
	munmap((void *)f, (size_t)st.st_size);
	close(fd);
	c->forward_count = 1;
}
