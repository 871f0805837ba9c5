/* Label syntax checks (RFC 1123 for the prefix of a key). Pure; used by the selector compiler. */
#include "lib/model/label.h"

#include <stddef.h>
#include <string.h>

enum { NAME_MAX_LEN = 63, PREFIX_MAX_LEN = 253 };

static bool is_lower_alnum(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
}

static bool is_alnum(char c)
{
	return is_lower_alnum(c) || (c >= 'A' && c <= 'Z');
}

static bool is_name(const char *s, size_t n)
{
	if (n == 0 || n > NAME_MAX_LEN || !is_alnum(s[0]) || !is_alnum(s[n - 1]))
		return false;
	for (size_t i = 0; i < n; i++)
		if (!is_alnum(s[i]) && s[i] != '-' && s[i] != '_' && s[i] != '.')
			return false;
	return true;
}

static bool is_subdomain(const char *s, size_t n)
{
	if (n == 0 || n > PREFIX_MAX_LEN)
		return false;
	for (size_t i = 0; i < n; i++) {
		bool first = i == 0 || s[i - 1] == '.', last = i + 1 == n || s[i + 1] == '.';
		if (!is_lower_alnum(s[i]) && (first || last || (s[i] != '-' && s[i] != '.')))
			return false;
	}
	return true;
}

bool label_key_is_valid(const char *key)
{
	const char *slash = strchr(key, '/');
	if (!slash)
		return is_name(key, strnlen(key, NAME_MAX_LEN + 1));
	return is_subdomain(key, (size_t)(slash - key)) &&
	       is_name(slash + 1, strnlen(slash + 1, NAME_MAX_LEN + 1));
}

bool label_value_is_valid(const char *value)
{
	return !*value || is_name(value, strnlen(value, NAME_MAX_LEN + 1));
}
