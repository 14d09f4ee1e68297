/* page.h - the page, whole in one file (page.html), and what a browser may do with it. */
#ifndef SIPWARD_WEB_PAGE_H
#define SIPWARD_WEB_PAGE_H

/* Text, with a NUL at its end. */
extern const char web_page[];

/* Writes the Content-Security-Policy of the page: nothing but its own style and script, by their
 * hashes, and JSON of this server. 0, or -ENOENT where the page has no style or script. */
#define PAGE_POLICY_MAX 512
int page_policy(char out[PAGE_POLICY_MAX]);

#endif
