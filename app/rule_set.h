/* The rules of --rules, for a run.
 *
 * Ownership: the caller's, mt_sigma_destroy. Thread: main. Limits: those of sigma.
 */
#ifndef MT_APP_RULE_SET_H
#define MT_APP_RULE_SET_H

#include "options.h"
#include "sigma/sigma.h"

/* *ret_sigma is NULL without --rules. What is wrong with rules is printed, a line
 * each; 0 all the same unless --strict was given or nothing could be read: then
 * -EINVAL, and -ENOMEM. ret_sigma may have errors (mt_sigma_error_count). */
int mt_rule_set_load(const struct mt_options *options, const struct mt_site *site, uint32_t workers,
                     struct mt_sigma **ret_sigma);

#endif
