# Concordance, Cox regressions and log-rank test stratified by centre of the patients in the first argument.
suppressPackageStartupMessages(library(survival))
d <- read.csv(commandArgs(TRUE)[1])
control <- coxph.control(eps = 1e-11, toler.chol = 1e-12, iter.max = 50)
order <- concordance(Surv(days, event) ~ lp + strata(center), d, reverse = TRUE)
slope <- coxph(Surv(days, event) ~ lp + strata(center), d, control = control)
ratio <- coxph(Surv(days, event) ~ high + strata(center), d, control = control)
test <- survdiff(Surv(days, event) ~ high + strata(center), d)
cat(format(c(order$concordance, sqrt(order$var), coef(slope), sqrt(vcov(slope)), coef(ratio), sqrt(vcov(ratio)),
             test$chisq), digits = 17), sep = "\n")
