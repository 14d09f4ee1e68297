/* list.h - doubly linked lists whose nodes lie in their elements: nothing is allocated, and an
 * element leaves its list in constant time.
 *
 * A list is a pointer to its first element, NULL where it is empty. An element of type T has two
 * fields: T *next, and T **link, which points at what points at the element. Zeroed, it is in no
 * list (link is NULL). Elements are compared by nothing and owned by whoever made them; walk with
 * for (e = list; e; e = e->next), and not on from an element that has left.
 *
 * A queue is a struct with the fields T *first, T **end, zeroed at first. Its elements are those of
 * a list; end counts only while there is one. Macros, so that all is typed; each argument is
 * evaluated once.
 */
#ifndef SIPWARD_COMMON_LIST_H
#define SIPWARD_COMMON_LIST_H

#include <stddef.h>

/* Puts element, which is in no list, at the place that at points to: &list for the front, &e->next
 * for the place after e. */
#define list_insert(at, element)                                                                   \
	do {                                                                                       \
		__auto_type list_at_ = (at);                                                       \
		__auto_type list_element_ = (element);                                             \
                                                                                                   \
		list_element_->next = *list_at_;                                                   \
		list_element_->link = list_at_;                                                    \
		if (list_element_->next)                                                           \
			list_element_->next->link = &list_element_->next;                          \
		*list_at_ = list_element_;                                                         \
	} while (0)

/* Takes element out of the list that it is in. It may then be freed, or put into another. */
#define list_remove(element)                                                                       \
	do {                                                                                       \
		__auto_type list_element_ = (element);                                             \
                                                                                                   \
		*list_element_->link = list_element_->next;                                        \
		if (list_element_->next)                                                           \
			list_element_->next->link = list_element_->link;                           \
		list_element_->next = NULL;                                                        \
		list_element_->link = NULL;                                                        \
	} while (0)

/* As list_insert; at points into the queue. */
#define queue_insert(queue, at, element)                                                           \
	do {                                                                                       \
		__auto_type queue_ = (queue);                                                      \
		__auto_type queue_element_ = (element);                                            \
                                                                                                   \
		list_insert(at, queue_element_);                                                   \
		if (!queue_element_->next)                                                         \
			queue_->end = &queue_element_->next;                                       \
	} while (0)

/* Puts element behind the last one. */
#define queue_append(queue, element)                                                               \
	do {                                                                                       \
		__auto_type append_ = (queue);                                                     \
                                                                                                   \
		queue_insert(append_, append_->first ? append_->end : &append_->first, element);   \
	} while (0)

/* Takes element out of this queue. */
#define queue_remove(queue, element)                                                               \
	do {                                                                                       \
		__auto_type queue_ = (queue);                                                      \
		__auto_type queue_element_ = (element);                                            \
                                                                                                   \
		if (!queue_element_->next)                                                         \
			queue_->end = queue_element_->link;                                        \
		list_remove(queue_element_);                                                       \
	} while (0)

#endif
