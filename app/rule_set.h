/* The rules of a run: those that mailtap ships, and those of --rules.
 *
 * Ownership: the caller's, mt_sigma_destroy. Thread: main. Limits: those of sigma.
 */
#ifndef MT_APP_RULE_SET_H
#define MT_APP_RULE_SET_H

#include "options.h"
#include "sigma/sigma.h"

#define MT_RULE_PATH_MAX 4096u

/* The folder of the shipped rules: of the sources for a program in its build folder,
 * else ../share/mailtap/rules from where the program stands, else where it was to be
 * installed. False: none of them is there. */
bool mt_rule_set_shipped(char ret_path[MT_RULE_PATH_MAX]);

/* *ret_sigma is NULL without any rules. What is wrong with rules is printed, a line
 * each; 0 all the same unless --strict was given or nothing could be read: then
 * -EINVAL, and -ENOMEM. ret_sigma may have errors (mt_sigma_error_count). */
int mt_rule_set_load(const struct mt_options *options, const struct mt_site *site, uint32_t workers,
                     struct mt_sigma **ret_sigma);

#endif
