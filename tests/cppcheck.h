/* The macros of jansson, without which cppcheck cannot read what uses them: it is not shown the
 * libraries' headers. */
#define json_array_foreach(array, index, value)                                                    \
	for ((index) = 0; ((value) = json_array_get((array), (index))); (index)++)
#define json_object_foreach(object, key, value)                                                    \
	for ((key) = json_object_iter_key(object);                                                 \
		(key) && ((value) = json_object_get(object, key));                                 \
		(key) = json_object_iter_key(key))
