/* Families: correlations that feed each other, and so have to be judged in one place;
 * and what may part their events all the same.
 *
 * Ownership: results lie in the rules. Thread: one while loading. Limits: none.
 */
#ifndef MT_SIGMA_FAMILY_PRIV_H
#define MT_SIGMA_FAMILY_PRIV_H

#include "sigma/rule_priv.h"

/* Of a correlation's pivot, besides the index of a key whose value says where. */
#define MT_SIGMA_PIVOT_GROUP 254u /* it is a family of its own: the group says where */
#define MT_SIGMA_PIVOT_NONE 255u  /* no key is common to all of the family: it is in one place */

/* Once there are routes. */
void mt_sigma_find_families(struct mt_sigma *sigma);

#endif
